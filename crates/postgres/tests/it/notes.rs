//! The little world of these tests: one table of a tenant's notes.

use sqlx::PgConnection;
use sqlx::migrate::Migrator;
use tradepost_postgres::{Database, idempotency};
use tradepost_testkit::{TestDatabase, database};
use tradepost_types::TenantId;

pub(crate) static MIGRATOR: Migrator = sqlx::migrate!("./tests/migrations");

pub(crate) async fn fresh() -> TestDatabase {
    database(&MIGRATOR, &[(idempotency::SCHEMA, &idempotency::MIGRATOR)]).await
}

/// Pools of so many connections.
pub(crate) fn connect(test: &TestDatabase, max_connections: u32) -> Database {
    let mut config = test.config();
    config.max_connections = max_connections;
    Database::connect_lazy(&config, "tradepost-postgres-test").unwrap()
}

pub(crate) async fn insert(
    conn: &mut PgConnection,
    tenant: TenantId,
    id: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query("insert into notes (tenant_id, id, body) values ($1, $2, 'text')")
        .bind(tenant.as_uuid())
        .bind(id)
        .execute(conn)
        .await?;
    Ok(())
}

/// The ids that the transaction sees, of whatever tenant.
pub(crate) async fn ids(conn: &mut PgConnection) -> Vec<i64> {
    sqlx::query_scalar("select id from notes order by id")
        .fetch_all(conn)
        .await
        .unwrap()
}
