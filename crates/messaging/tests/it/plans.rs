//! An index serves the dispatcher of retry rows: what is not due yet is not read.

use tradepost_testkit::plan;

use crate::support::Service;

#[tokio::test]
async fn the_dispatcher_reads_only_what_is_due() {
    let service = Service::new().await;

    let mut tx = service.database.system_tx().await.unwrap();
    let lease = include_str!("../../src/lease_retries.sql");
    let plan = plan(tx.conn(), lease, "'{probe.events}', 30000, 50").await;

    let wanted = "Index Scan using retries_due on retries retries_1\n\
                  Index Cond: (next_attempt_at <= statement_timestamp())";
    assert!(plan.contains(wanted), "{plan}");
}
