//! Redis away, frozen, flushed, full, or giving garbage: answers stay right, and calls go on.

use std::time::Duration;

use tradepost_testkit::{eventually, private_redis};
use tradepost_types::TenantId;

use super::stage::{ALWAYS, Node, connect, names, stored};
use crate::support::{Desk, SOON, today_ms};

/// Short enough to wait for, long enough for a busy machine.
const BUDGET: Duration = Duration::from_millis(200);

#[tokio::test]
async fn garbage_and_answers_to_other_questions_are_not_believed() {
    let (desk, redis) = (Desk::open().await, private_redis().await);
    let other = TenantId::new();
    stored(&desk, desk.tenant, 1, today_ms()).await;
    stored(&desk, other, 1, today_ms()).await;
    stored(&desk, other, 2, today_ms()).await;
    let first = Node::sharing(&desk, &redis.url(), ALWAYS).await;
    assert_eq!(first.events(desk.tenant).await, 1);
    assert_eq!(first.events(other).await, 2);
    first.says_at_least("keys", 2, &redis).await;
    let mut connection = connect(&redis).await;
    let named = async |tenant: TenantId| {
        let names = names(&redis).await;
        let of = |name: &String| name.contains(&tenant.to_string());
        names.into_iter().find(of).unwrap()
    };
    let (own, others) = (named(desk.tenant).await, named(other).await);
    let others: Vec<u8> = redis::cmd("GET")
        .arg(others)
        .query_async(&mut connection)
        .await
        .unwrap();

    for garbage in [b"garbage".to_vec(), vec![0], vec![0; 100_000], others] {
        let mut set = redis::cmd("SET");
        let _: () = set
            .arg(&own)
            .arg(&garbage)
            .query_async(&mut connection)
            .await
            .unwrap();
        let fresh = Node::sharing(&desk, &redis.url(), ALWAYS).await;
        assert_eq!(fresh.events(desk.tenant).await, 1);
        assert_eq!(fresh.counted("reason=\"garbage\""), 1);
        assert_eq!(fresh.computed(), 1);
        eventually("the right answer in its place", SOON, async || {
            let mut connection = connect(&redis).await;
            let mut get = redis::cmd("GET");
            let found: Vec<u8> = get.arg(&own).query_async(&mut connection).await.unwrap();
            (found != garbage).then_some(())
        })
        .await;
    }
    let mut list = redis::pipe();
    list.cmd("DEL").arg(&own).ignore();
    list.cmd("LPUSH").arg(&own).arg("x").ignore();
    let _: () = list.query_async(&mut connection).await.unwrap();
    let fresh = Node::sharing(&desk, &redis.url(), ALWAYS).await;
    assert_eq!(fresh.events(desk.tenant).await, 1);
}

#[tokio::test]
async fn a_frozen_redis_delays_few_answers_and_is_used_again_when_it_thaws() {
    let (desk, redis) = (Desk::open().await, private_redis().await);
    let node = Node::with_budget(&desk, &redis.url(), BUDGET).await;
    node.shares(true).await;

    redis.freeze();
    for sequence in 1..=30 {
        stored(&desk, desk.tenant, sequence, today_ms()).await;
        assert_eq!(node.events(desk.tenant).await, sequence);
    }
    node.shares(false).await;
    let late = node.counted("reason=\"late\"");
    redis.resume();
    node.shares(true).await;
    stored(&desk, desk.tenant, 31, today_ms()).await;

    assert_eq!(node.events(desk.tenant).await, 31);
    // Five in a second open the breaker; a machine that stalls may spread them over more.
    assert!((5..=30).contains(&late), "{late}");
}

#[tokio::test]
async fn a_redis_that_stops_or_was_never_there_is_done_without() {
    let (desk, redis) = (Desk::open().await, private_redis().await);
    redis.stop().await;
    let node = Node::with_budget(&desk, &redis.url(), BUDGET).await;
    stored(&desk, desk.tenant, 1, today_ms()).await;

    assert_eq!(node.events(desk.tenant).await, 1);
    redis.start().await;
    node.shares(true).await;
    stored(&desk, desk.tenant, 2, today_ms()).await;
    assert_eq!(node.events(desk.tenant).await, 2);
    redis.stop().await;
    for sequence in 3..=5 {
        stored(&desk, desk.tenant, sequence, today_ms()).await;
        assert_eq!(node.events(desk.tenant).await, sequence);
    }
    node.shares(false).await;
}

#[tokio::test]
async fn a_redis_that_is_flushed_or_full_changes_no_answer() {
    let (desk, redis) = (Desk::open().await, private_redis().await);
    let node = Node::sharing(&desk, &redis.url(), ALWAYS).await;
    let mut connection = connect(&redis).await;
    let mut run = async |command: &[&str]| {
        let (verb, arguments) = command.split_first().unwrap();
        let mut command = redis::cmd(verb);
        arguments.iter().for_each(|argument| {
            command.arg(argument);
        });
        let _: () = command.query_async(&mut connection).await.unwrap();
    };
    stored(&desk, desk.tenant, 1, today_ms()).await;
    assert_eq!(node.events(desk.tenant).await, 1);

    run(&["FLUSHALL", "SYNC"]).await;
    assert_eq!(node.events(desk.tenant).await, 1);
    run(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await;
    run(&["CONFIG", "SET", "maxmemory", "1"]).await;
    for sequence in 2..=20 {
        stored(&desk, desk.tenant, sequence, today_ms()).await;
        assert_eq!(node.events(desk.tenant).await, sequence);
    }

    assert!(node.counted("reason=\"error\"") > 0);
    node.shares(true).await;
}
