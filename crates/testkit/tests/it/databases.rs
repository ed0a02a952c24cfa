use sqlx::Row;
use sqlx::migrate::Migrator;
use tradepost_postgres::{Database, DatabaseConfig, idempotency};
use tradepost_testkit::database;
use tradepost_types::TenantId;

#[tokio::test]
async fn a_test_database_is_migrated_and_serves_unprivileged_roles() {
    let none = Migrator::with_migrations(Vec::new());
    let test = database(&none, &[(idempotency::SCHEMA, &idempotency::MIGRATOR)]).await;
    let db = Database::connect_lazy(&test.config(), "test").unwrap();

    let mut tx = db.tenant_tx(TenantId::new()).await.unwrap();
    let row =
        sqlx::query("select current_user::text, (select count(*) from platform.idempotency_keys)")
            .fetch_one(tx.conn())
            .await
            .unwrap();

    assert_eq!(row.get::<String, _>(0), "testkit_app");
    assert_eq!(row.get::<i64, _>(1), 0);
}

#[tokio::test]
async fn a_test_waits_for_its_database_longer_than_a_service_does() {
    let none = Migrator::with_migrations(Vec::new());
    let test = database(&none, &[]).await.config();
    let service = DatabaseConfig::new(test.url.clone(), test.system_url.clone());

    assert!(test.acquire_timeout_ms > 10 * service.acquire_timeout_ms);
    assert!(test.lock_timeout_ms > 10 * service.lock_timeout_ms);
    assert!(test.statement_timeout_ms > 5 * service.statement_timeout_ms);
}
