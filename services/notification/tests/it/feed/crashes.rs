//! Whatever dies on the way, each fact is told once.

use tradepost_testkit::eventually;
use tradepost_types::OrderId;

use super::stage::{ADA, Machine, Orders, SOON, STAFF, count, fresh_database, of_user, told};

/// So many passes of a crash point are deadly, each once.
const HITS: u32 = 3;

/// Tells of orders until the process dies at each early pass of the point; another one goes on.
async fn dies_early(point: &str) {
    for hit in 1..=HITS {
        let (orders, database) = (Orders::open().await, fresh_database().await);
        let mut machine = Machine::start(&database, &orders, Some((point, hit))).await;
        let mut ways = 0;
        eventually("it is gone", SOON, async || {
            if machine.process.ended().is_some() {
                return Some(());
            }
            orders.send(&orders.way(OrderId::new())).await;
            ways += 1;
            None
        })
        .await;

        let _machine = Machine::start(&database, &orders, None).await;

        let facts = 3 * ways;
        eventually("all are told", SOON, async || {
            (count(&database, "messaging.inbox").await == facts).then_some(())
        })
        .await;
        for stream in [of_user(ADA), STAFF.to_owned()] {
            let told = told(&database, orders.tenant, &stream).await;
            let places: Vec<i64> = told.into_iter().map(|(seq, _)| seq).collect();
            assert_eq!(places, (1..=facts).collect::<Vec<_>>(), "{point} {hit}");
        }
        assert_eq!(count(&database, "told_orders").await, facts);
        assert_eq!(count(&database, "messaging.parked").await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_may_die_before_what_it_tells_is_committed() {
    dies_early("notification.feed.before_commit").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_may_die_between_the_commit_and_the_announcement() {
    dies_early("notification.feed.after_commit").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_may_die_between_the_announcement_and_the_acknowledgement() {
    dies_early("consumer.before_ack").await;
}
