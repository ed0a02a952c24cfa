//! Indexes serve the sweeps: what is not due yet is not read.

use tradepost_postgres::Database;
use tradepost_testkit::plan;

use crate::support::fresh_database;

const PAYMENTS: &str = include_str!("../../src/adapters/postgres/lease_payments.sql");
const REFUNDS: &str = include_str!("../../src/adapters/postgres/lease_refunds.sql");
const WEBHOOKS: &str = include_str!("../../src/adapters/postgres/due_webhooks.sql");

#[tokio::test]
async fn the_sweeps_read_only_what_is_due() {
    let test_database = fresh_database().await;
    let database = Database::connect_lazy(&test_database.config(), "plans").unwrap();
    let sweeps = [
        ("payments", PAYMENTS, "30000, 100"),
        ("refunds", REFUNDS, "30000, 100"),
        ("provider_events", WEBHOOKS, "100"),
    ];

    for (table, sweep, arguments) in sweeps {
        let mut tx = database.system_tx().await.unwrap();
        let plan = plan(tx.conn(), sweep, arguments).await;
        tx.rollback().await;

        let wanted = format!(
            "Index Scan using {table}_due on {table}\n\
             Index Cond: (next_attempt_at <= statement_timestamp())"
        );
        assert!(plan.contains(&wanted), "{plan}");
    }
}
