//! Every table keeps the tenants apart.

use tradepost_testkit::assert_tenancy;

use crate::support::fresh_database;

/// Which days have a partition, and which files; what the versions of all tenants together are, and of
/// which history; the report over tenants; what is past its age; the functions that make and move
/// tables without a look at their rows.
const ACROSS_TENANTS: &[&str] = &[
    "archive_days",
    "archive_files",
    "archive_file_tenants_by_file",
    "archive_promise",
    "archive_detach",
    "archive_leaving",
    "archive_drop",
    "archive_give_back",
    "archive_return_begin",
    "archive_return_finish",
    "archive_return_abandon",
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
