//! A writer that dies anywhere: what is kept elsewhere is what is committed.

use tradepost_testkit::{eventually, private_redis};

use super::stage::{ALWAYS, Node, stored};
use crate::support::{Desk, Machine, SOON, message, send, today_ms};

/// More passes than it takes to store a batch.
const HITS_MAX: u32 = 40;

/// Kills writers at each pass of a point while another node keeps answers; how many died.
async fn die_at(point: &str) -> u32 {
    let (desk, redis) = (Desk::open().await, private_redis().await);
    let node = Node::sharing(&desk, &redis.url(), ALWAYS).await;
    stored(&desk, desk.tenant, 1_000, today_ms()).await;
    let mut admin = desk.test_database.admin().await;
    let mut deaths = 0;
    for hit in 1..HITS_MAX {
        let kept = (node.events(desk.tenant).await, node.report("").await[0].1);
        let mut machine = Machine::start(&desk.test_database, Some((point, hit))).await;
        // It may die before it serves.
        let up = eventually("a process that serves, or none", SOON, async || {
            if machine.process.ended().is_some() {
                return Some(false);
            }
            let host = machine.url.trim_start_matches("http://");
            let up = tokio::net::TcpStream::connect(host).await.is_ok()
                && machine.process.log().contains("process.started");
            up.then_some(true)
        })
        .await;
        let batch = message(u64::from(hit), &[(today_ms(), "a", "ada", 1.0)]);
        let survived = up
            && send(machine.client(desk.tenant), vec![batch])
                .await
                .1
                .is_ok();
        if !survived {
            machine.process.wait(SOON).await;
            deaths += 1;
        }
        drop(machine);

        let committed: i64 = sqlx::query_scalar("select sum(n)::bigint from rollup_days")
            .fetch_one(&mut admin)
            .await
            .unwrap();
        let committed = u64::try_from(committed).unwrap();
        assert!(committed >= kept.0 && kept.0 == kept.1);
        assert_eq!(node.events(desk.tenant).await, committed, "{point} {hit}");
        assert_eq!(node.report("").await[0].1, committed, "{point} {hit}");
        if survived {
            return deaths;
        }
    }
    panic!("{point} is passed without end");
}

#[tokio::test]
async fn a_writer_that_dies_right_after_a_commit_leaves_no_old_answer_reachable() {
    assert!(die_at("postgres.after_commit").await > 0);
}

#[tokio::test]
async fn a_writer_that_dies_before_its_commit_changes_no_answer() {
    assert!(die_at("metrics.after_versions").await > 0);
}
