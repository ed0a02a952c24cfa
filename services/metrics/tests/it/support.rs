//! A service under test.

use tradepost_metrics::adapters::postgres::MIGRATOR;
use tradepost_postgres::idempotency;
use tradepost_testkit::TestDatabase;

pub(crate) async fn fresh_database() -> TestDatabase {
    let extra = [(idempotency::SCHEMA, &idempotency::MIGRATOR)];
    tradepost_testkit::database(&MIGRATOR, &extra).await
}
