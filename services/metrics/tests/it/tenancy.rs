//! Every table keeps the tenants apart.

use tradepost_testkit::assert_tenancy;

use crate::support::fresh_database;

/// What belongs to no tenant.
const ACROSS_TENANTS: &[&str] = &[];

#[tokio::test]
async fn every_table_is_closed_to_other_tenants() {
    assert_tenancy(&fresh_database().await, ACROSS_TENANTS).await;
}
