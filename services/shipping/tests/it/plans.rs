//! An index serves the clock: what is not due yet is not read.

use tradepost_postgres::Database;
use tradepost_testkit::plan;

use crate::support::fresh_database;

#[tokio::test]
async fn the_clock_reads_only_what_is_due() {
    let test_database = fresh_database().await;
    let database = Database::connect_lazy(&test_database.config(), "plans").unwrap();

    let mut tx = database.system_tx().await.unwrap();
    let sweep = include_str!("../../src/adapters/postgres/lock_due.sql");
    let plan = plan(tx.conn(), sweep, "100").await;

    let wanted = "Index Scan using shipments_due on shipments\n\
                  Index Cond: (due_at <= now())";
    assert!(plan.contains(wanted), "{plan}");
}
