//! Every table keeps the tenants apart.

use tradepost_testkit::assert_tenancy;

use crate::support::{Warehouse, fresh_database};

/// Infrastructure keyed by sequence or consumer, and the sweeper's index over all tenants.
const ACROSS_TENANTS: &[&str] = &[
    "messaging.outbox",
    "messaging.inbox",
    "messaging.retries",
    "messaging.parked",
    "public.reservations_due",
];

#[tokio::test]
async fn every_table_is_closed_to_other_tenants() {
    assert_tenancy(&fresh_database().await, ACROSS_TENANTS).await;
}

#[tokio::test]
async fn movements_are_never_changed_or_deleted() {
    let shop = Warehouse::open().await;
    shop.stocked("A", 1).await;
    let mut admin = shop.test_database.admin().await;

    for sql in [
        "update stock_movements set delta = 2",
        "delete from stock_movements",
    ] {
        let refused = sqlx::query(sql).execute(&mut admin).await;
        assert!(refused.is_err(), "{sql}");
    }
}

#[tokio::test]
async fn the_database_itself_refuses_an_oversell() {
    let shop = Warehouse::open().await;
    shop.stocked("A", 1).await;
    let mut admin = shop.test_database.admin().await;

    let refused = sqlx::query("update items set reserved = 2")
        .execute(&mut admin)
        .await;

    let error = refused.unwrap_err().to_string();
    assert!(error.contains("items_stock_covers_reserved"), "{error}");
}
