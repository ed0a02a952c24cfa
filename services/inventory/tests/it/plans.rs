//! Indexes serve the sweep and the list: what is not asked for is not read.

use tradepost_testkit::plan;
use uuid::Uuid;

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

#[tokio::test]
async fn the_list_reads_only_its_page() {
    let shop = Warehouse::open().await;

    let mut tx = shop.database.tenant_tx(shop.tenant).await.unwrap();
    let list = include_str!("../../src/adapters/postgres/list_items.sql");
    let arguments = format!("'{}', 'A', 'A7', 50", Uuid::nil());
    let plan = plan(tx.conn(), list, &arguments).await;

    assert!(!plan.contains("Sort"), "{plan}");
    let mut lines = plan.lines();
    lines.find(|line| *line == "Index Scan using items_by_sku on items");
    // A condition on another collation than the column's own is shown with a cast.
    let condition = lines.next().unwrap_or_default();
    let condition = condition.replace("(sku)::text", "sku");
    for part in [
        "Index Cond: ",
        "(tenant_id = $1)",
        "(sku >= $2)",
        "(sku < ($2 ||",
        "(sku > $3)",
    ] {
        assert!(
            condition.contains(part),
            "{part} is no condition in\n{plan}"
        );
    }
}
