//! Indexes serve the sweep and the list: what is not asked for is not read.

use tradepost_testkit::plan;

use crate::support::Warehouse;

#[tokio::test]
async fn the_sweep_reads_only_what_is_due() {
    let shop = Warehouse::open().await;

    let mut tx = shop.database.system_tx().await.unwrap();
    let sweep = include_str!("../../src/adapters/postgres/due_reservations.sql");
    let plan = plan(tx.conn(), sweep, "100").await;

    let wanted = "Index Scan using reservations_due on reservations\n\
                  Index Cond: (expire_at <= statement_timestamp())";
    assert!(plan.contains(wanted), "{plan}");
}
