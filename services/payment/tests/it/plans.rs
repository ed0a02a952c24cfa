//! Indexes serve the sweeps, what is not due yet is not read; and no time goes into planning.

use tradepost_postgres::Database;
use tradepost_testkit::plan;

use crate::support::{Hook, Till, Workers, fresh_database};

const PAYMENTS: &str = include_str!("../../src/adapters/postgres/lease_payments.sql");
const REFUNDS: &str = include_str!("../../src/adapters/postgres/lease_refunds.sql");
const REFERENCES: &str = include_str!("../../src/adapters/postgres/find_references.sql");
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

#[tokio::test]
async fn a_payment_is_found_by_the_providers_reference_without_reading_the_others() {
    let test_database = fresh_database().await;
    let database = Database::connect_lazy(&test_database.config(), "plans").unwrap();
    let mut tx = database.system_tx().await.unwrap();

    let found = plan(tx.conn(), REFERENCES, "array['pi_1', 'pi_2']").await;
    tx.rollback().await;

    assert!(found.contains("payments_by_reference"), "{found}");
}

#[tokio::test]
async fn finding_the_payments_of_a_batch_is_not_planned_anew_at_every_call() {
    let till = Till::with(Workers::Dead).await;
    let sale = till.hinted(1_000, false).await;
    for _ in 0..30 {
        let hook = Hook::intent(&till, sale, "canceled", 0);
        till.hear(&hook).await.unwrap();
    }

    // One of the few sessions that the calls went through.
    let mut tx = till.database.system_tx().await.unwrap();
    let looks: (i64, i64) = sqlx::query_as(
        "select custom_plans, generic_plans from pg_prepared_statements
         where statement like '%from payments%wanted%' and statement not like '%for update%'",
    )
    .fetch_one(tx.conn())
    .await
    .unwrap();
    tx.rollback().await;
    // The server tries five plans for the values at hand before it settles.
    assert!(
        looks.0 == 5 && looks.1 > 0,
        "planned, not planned: {looks:?}"
    );
}
