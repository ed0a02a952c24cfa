//! Many who ask at once, and writes between asking and answering.

use futures::future::join_all;
use sqlx::{Connection, PgConnection};
use tradepost_metrics::ports::{Claim, Days, Scope, SharedAnswers, VersionStore};
use tradepost_testkit::{eventually, private_redis};
use tradepost_types::TenantId;

use super::stage::{ALWAYS, ANY, Node, question, stored};
use crate::support::{Desk, SOON, today, today_ms};

#[tokio::test]
async fn equal_questions_at_one_time_are_computed_once() {
    let (desk, redis) = (Desk::open().await, private_redis().await);
    let node = Node::sharing(&desk, &redis.url(), ALWAYS).await;
    stored(&desk, desk.tenant, 1, today_ms()).await;
    let shut = node.shut().await;

    let client = node.client(desk.tenant);
    let asking = (0..100).map(|_| {
        let mut client = client.clone();
        tokio::spawn(async move { client.query_events(question()).await.unwrap().into_inner() })
    });
    let asking: Vec<_> = asking.collect();
    node.says_at_least("source=\"joined\"", 99, &redis).await;
    drop(shut);
    let answers = join_all(asking).await;

    assert_eq!(node.computed(), 1);
    for answer in answers {
        assert_eq!(answer.unwrap().sums[0].count, 1);
    }
}

#[tokio::test]
async fn who_asks_after_a_write_does_not_join_those_who_asked_before() {
    let desk = Desk::open().await;
    let node = Node::alone(&desk, ALWAYS).await;
    stored(&desk, desk.tenant, 1, today_ms()).await;
    let shut = node.shut().await;
    let ask = || {
        let mut client = node.client(desk.tenant);
        tokio::spawn(async move { client.query_events(question()).await.unwrap() })
    };

    let before = ask();
    node.computes(1).await;
    stored(&desk, desk.tenant, 2, today_ms()).await;
    let after = ask();
    node.computes(2).await;
    drop(shut);
    let (before, after) = (before.await.unwrap(), after.await.unwrap());

    assert!(before.into_inner().sums[0].count >= 1);
    assert_eq!(after.into_inner().sums[0].count, 2);
    assert_eq!(node.events(desk.tenant).await, 2);
    assert_eq!(node.computed(), 2);
}

#[tokio::test]
async fn a_stale_answer_is_given_while_one_refresh_runs() {
    let desk = Desk::open().await;
    let node = Node::alone(&desk, ANY).await;
    stored(&desk, desk.tenant, 1, today_ms()).await;
    assert_eq!(node.events(desk.tenant).await, 1);
    let shut = node.shut().await;
    stored(&desk, desk.tenant, 2, today_ms()).await;

    for _ in 0..20 {
        assert_eq!(node.events(desk.tenant).await, 1, "the gate is shut");
    }
    node.computes(2).await;
    assert_eq!(node.events(desk.tenant).await, 1);
    assert_eq!(node.computed(), 2);
    drop(shut);

    eventually("the new answer", SOON, async || {
        (node.events(desk.tenant).await == 2).then_some(())
    })
    .await;
    let renewed = eventually("the end of the refresh", SOON, async || {
        Some(node.counted("outcome=\"renewed\"")).filter(|&renewed| renewed > 0)
    })
    .await;
    assert_eq!((renewed, node.computed()), (1, 2));
}

#[tokio::test]
async fn a_computation_goes_on_when_who_asked_has_gone() {
    let desk = Desk::open().await;
    let node = Node::alone(&desk, ALWAYS).await;
    stored(&desk, desk.tenant, 1, today_ms()).await;
    let shut = node.shut().await;
    let mut client = node.client(desk.tenant);
    let asking = tokio::spawn(async move { client.query_events(question()).await });
    node.computes(1).await;

    asking.abort();
    drop(shut);

    assert_eq!(node.events(desk.tenant).await, 1);
    assert_eq!(node.computed(), 1);
}

#[tokio::test]
async fn one_node_claims_a_computation_and_the_claim_ends_by_itself() {
    let (desk, redis) = (Desk::open().await, private_redis().await);
    let nodes = [
        Node::sharing(&desk, &redis.url(), ALWAYS).await,
        Node::sharing(&desk, &redis.url(), ALWAYS).await,
    ];
    let claim = async |node: usize, name: &str, time| {
        let shared = nodes[node].redis.as_ref().unwrap();
        shared.claim(name, time).await
    };

    assert_eq!(claim(0, "a", ANY).await, Claim::Ours);
    assert_eq!(claim(1, "a", ANY).await, Claim::Others);
    assert_eq!(claim(1, "b", ALWAYS).await, Claim::Ours);
    eventually("the end of a claim", SOON, async || {
        (claim(0, "b", ALWAYS).await == Claim::Ours).then_some(())
    })
    .await;
}

/// A sequence, or the greatest number of anything, is not a version: who took the lower number may
/// commit later.
#[tokio::test]
async fn writes_that_commit_in_another_order_than_they_began_each_change_the_version() {
    let desk = Desk::open().await;
    let tenants = [TenantId::new(), TenantId::new()];
    let days = Days {
        first: today().previous_day().unwrap(),
        last: today(),
    };
    let version = async || desk.store.version(Scope::Platform, days).await.unwrap();
    let change = async |conn: &mut PgConnection, tenant: TenantId, day| {
        sqlx::query(include_str!(
            "../../../src/adapters/postgres/change_versions.sql"
        ))
        .bind(vec![tenant.as_uuid()])
        .bind(vec![day])
        .execute(conn)
        .await
        .unwrap();
    };
    let mut sessions = [
        desk.test_database.admin().await,
        desk.test_database.admin().await,
    ];
    let before = version().await;

    let [first, second] = &mut sessions;
    let (mut early, mut late) = (first.begin().await.unwrap(), second.begin().await.unwrap());
    change(&mut early, tenants[0], days.first).await;
    change(&mut late, tenants[1], days.last).await;
    let uncommitted = version().await;
    late.commit().await.unwrap();
    let one = version().await;
    early.commit().await.unwrap();
    let both = version().await;

    assert_eq!(before, uncommitted);
    assert_ne!(before, one);
    assert_ne!(one, both);
    assert_ne!(before, both);
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_of_many_tenants_at_one_time_lose_no_change() {
    let desk = Desk::open().await;
    let tenants: Vec<TenantId> = (0..20).map(|_| TenantId::new()).collect();
    let days = Days {
        first: today(),
        last: today(),
    };

    let writers = (1..=8_u64).map(|sequence| {
        let (desk, tenants) = (&desk, &tenants);
        async move {
            for &tenant in tenants {
                stored(desk, tenant, sequence, today_ms()).await;
            }
        }
    });
    join_all(writers).await;

    let changes = |version: tradepost_metrics::ports::Version| {
        let (_, changes) = version.as_str().rsplit_once('-').unwrap();
        changes.parse::<u64>().unwrap()
    };
    let all = desk.store.version(Scope::Platform, days).await.unwrap();
    assert_eq!(changes(all), 160);
    for tenant in tenants {
        let own = desk.store.version(Scope::Tenant(tenant), days).await;
        assert_eq!(changes(own.unwrap()), 8);
    }
}

#[tokio::test]
async fn a_history_that_begins_again_meets_no_answers_of_the_one_before() {
    let (desk, redis) = (Desk::open().await, private_redis().await);
    let node = Node::sharing(&desk, &redis.url(), ALWAYS).await;
    stored(&desk, desk.tenant, 1, today_ms()).await;
    assert_eq!(node.events(desk.tenant).await, 1);
    let mut admin = desk.test_database.admin().await;

    // As after a restore: other figures under the versions that were there before.
    let restored = "update rollup_days set n = 7;
        update answer_history set history = gen_random_uuid()";
    sqlx::raw_sql(restored).execute(&mut admin).await.unwrap();

    assert_eq!(node.events(desk.tenant).await, 7);
}
