//! Indexes serve what is asked often, whatever the size of the tables.

use sqlx::Connection;
use tradepost_notification::adapters::postgres::statements::{
    BOUND, ENTRIES, LATE_TOPS, OF_READERS, OPEN, PAGE, READS, TOPS,
};
use tradepost_testkit::plan;

use super::support::fresh_database;

const UUID: &str = "'00000000-0000-0000-0000-000000000000'";

async fn planned(statement: &str, arguments: &str) -> String {
    let database = fresh_database().await;
    let mut conn = database.admin().await;
    let mut tx = conn.begin().await.unwrap();
    plan(&mut tx, statement, arguments).await
}

fn assert_indexed(plan: &str, index: &str) {
    assert!(plan.contains(index), "{plan}");
    assert!(!plan.contains("Seq Scan on notifications"), "{plan}");
}

#[tokio::test]
async fn a_page_of_history_reads_each_stream_by_time() {
    let arguments = format!("{UUID}, 'ann', false, null, null, null, 20");

    let plan = planned(PAGE, &arguments).await;

    // From the newest month backwards, one after the other: none is read that the page does not need.
    assert_indexed(&plan, "Index Scan Backward using notifications_");
    assert_indexed(&plan, "_pkey on notifications_");
    assert!(plan.contains("created_at <= LEAST"), "{plan}");
}

#[tokio::test]
async fn entries_are_read_by_sequence() {
    let arguments = format!("array[{UUID}::uuid], array['user:ann'], array[1], array[9], 10, 99");

    let plan = planned(ENTRIES, &arguments).await;

    assert_indexed(&plan, "tenant_id_stream_seq");
    assert!(plan.contains("seq > g.after"), "{plan}");
}

#[tokio::test]
async fn what_is_new_is_read_by_transaction() {
    let bound = planned(BOUND, "1, 10").await;
    let tops = planned(TOPS, "1, 10").await;
    let late = planned(LATE_TOPS, "1, 10").await;

    let reads = planned(READS, "1, 10").await;

    for plan in [bound, tops, late] {
        assert_indexed(&plan, "tx_idx");
    }
    for index in ["user_streams_by_read_tx", "members_by_read_tx"] {
        assert_indexed(&reads, index);
    }
}

#[tokio::test]
async fn places_are_read_by_their_keys() {
    let arguments = format!("array[{UUID}::uuid], array['ann']");

    let plan = planned(OPEN, &arguments).await;

    let preferred = planned(OF_READERS, &arguments).await;
    assert!(!preferred.contains("Seq Scan on user_pref"), "{preferred}");
    for table in ["user_streams", "members", "groups"] {
        assert!(!plan.contains(&format!("Seq Scan on {table}")), "{plan}");
    }
}
