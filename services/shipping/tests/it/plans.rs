//! An index serves the clock: what is not due yet is not read.

use tradepost_postgres::Database;
use tradepost_testkit::plan;

use crate::support::fresh_database;

#[tokio::test]
async fn the_clock_reads_only_what_is_due_and_when_the_next_is() {
    let test_database = fresh_database().await;
    let database = Database::connect_lazy(&test_database.config(), "plans").unwrap();

    let mut tx = database.system_tx().await.unwrap();
    let sweep = include_str!("../../src/adapters/postgres/lock_due.sql");
    let sweep = plan(tx.conn(), sweep, "100").await;
    let next = include_str!("../../src/adapters/postgres/next_due.sql");
    let next = plan(tx.conn(), next, "").await;

    let wanted = "Index Scan using shipments_due on shipments\n\
                  Index Cond: (due_at <= now())";
    assert!(sweep.contains(wanted), "{sweep}");
    let wanted = "Limit\n\
                  Index Only Scan using shipments_due on shipments\n\
                  Index Cond: (due_at > now())";
    assert!(next.contains(wanted), "{next}");
}
