//! Every table keeps the tenants apart.

use tradepost_testkit::assert_tenancy;

use crate::support::fresh_database;

/// Which days have a partition, what the versions of all tenants together are, and of which history;
/// the report over tenants; what is past its age; the functions that make empty tables.
const ACROSS_TENANTS: &[&str] = &[
    "event_days",
    "day_versions",
    "answer_history",
    "tenants_by_plan",
    "producers_by_age",
    "event_types_by_name",
    "rollup_days_by_day",
    "events_prepare",
    "events_stage",
];

#[tokio::test]
async fn every_table_is_closed_to_other_tenants() {
    assert_tenancy(&fresh_database().await, ACROSS_TENANTS).await;
}
