//! Migrations: each set in its own schema, one run at a time, and a schema that must fit the binary.

use std::borrow::Cow;

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use tradepost_postgres::{Database, DatabaseConfig, DbError, idempotency};
use tradepost_testkit::{TestDatabase, database};

use crate::notes;

fn set(migrations: &[(i64, &'static str)]) -> Migrator {
    let migration = |&(version, sql): &(i64, &'static str)| {
        let name = Cow::Borrowed("a migration of a test");
        Migration::new(
            version,
            name,
            MigrationType::Simple,
            sql.into_sql_str(),
            false,
        )
    };
    Migrator::with_migrations(migrations.iter().map(migration).collect())
}

async fn empty() -> TestDatabase {
    database(&set(&[]), &[]).await
}

/// The same database for a service that may not change the schema.
fn without_owner(test: &TestDatabase) -> DatabaseConfig {
    let mut config = test.config();
    config.owner_url = None;
    config
}

fn schema_error(result: Result<(), DbError>) -> String {
    let error = result.unwrap_err();
    assert!(matches!(error, DbError::Schema(_)), "{error:?}");
    assert!(!error.is_retryable());
    error.to_string()
}

const ONE: (i64, &str) = (1, "create table one ()");
const TWO: (i64, &str) = (2, "create table two ()");

#[tokio::test]
async fn each_set_has_its_own_schema_and_bookkeeping_even_with_the_same_versions() {
    let test = empty().await;
    let extra = set(&[ONE]);

    Database::migrate(&test.config(), &set(&[ONE]), &[("extra", &extra)])
        .await
        .unwrap();
    Database::migrate(&test.config(), &set(&[ONE, TWO]), &[("extra", &extra)])
        .await
        .unwrap();

    let tables: Vec<String> = sqlx::query_scalar(
        "select schemaname || '.' || tablename from pg_tables
         where tablename in ('one', 'two', '_sqlx_migrations') order by 1",
    )
    .fetch_all(&mut test.admin().await)
    .await
    .unwrap();
    assert_eq!(
        tables,
        [
            "extra._sqlx_migrations",
            "extra.one",
            "public._sqlx_migrations",
            "public.one",
            "public.two"
        ]
    );
}

#[tokio::test]
async fn many_instances_may_migrate_at_once() {
    let test = empty().await;
    let (config, service) = (test.config(), set(&[ONE, TWO]));
    let run = || Database::migrate(&config, &service, &[]);

    let results = tokio::join!(run(), run(), run(), run());

    assert!(results.0.is_ok() && results.1.is_ok() && results.2.is_ok() && results.3.is_ok());
}

#[tokio::test]
async fn a_schema_that_is_newer_than_the_binary_is_refused() {
    let test = empty().await;
    Database::migrate(&test.config(), &set(&[ONE, TWO]), &[])
        .await
        .unwrap();
    let old_binary = set(&[ONE]);

    let as_owner = schema_error(Database::migrate(&test.config(), &old_binary, &[]).await);
    let as_reader = schema_error(Database::migrate(&without_owner(&test), &old_binary, &[]).await);

    for message in [as_owner, as_reader] {
        assert!(message.contains("newer than this binary"), "{message}");
        assert!(message.contains("migration 2"), "{message}");
    }
}

#[tokio::test]
async fn without_the_owner_role_an_old_or_empty_schema_is_refused_and_a_current_one_is_fine() {
    let test = empty().await;
    let (service, extra) = (set(&[ONE, TWO]), set(&[ONE]));
    let sets: &[(&'static str, &Migrator)] = &[("extra", &extra)];
    let reader = without_owner(&test);

    let empty = schema_error(Database::migrate(&reader, &service, sets).await);
    Database::migrate(&test.config(), &set(&[ONE]), sets)
        .await
        .unwrap();
    let old = schema_error(Database::migrate(&reader, &service, sets).await);
    Database::migrate(&test.config(), &service, sets)
        .await
        .unwrap();
    let current = Database::migrate(&reader, &service, sets).await;

    assert!(
        empty.contains("\"extra\": it is older than this binary"),
        "{empty}"
    );
    assert!(old.contains("migration 2 is missing"), "{old}");
    assert!(current.is_ok(), "{current:?}");
}

#[tokio::test]
async fn a_migration_that_was_changed_afterwards_or_fails_is_named() {
    let test = empty().await;
    Database::migrate(&test.config(), &set(&[ONE]), &[])
        .await
        .unwrap();

    let changed = set(&[(1, "create table other ()")]);
    let changed = schema_error(Database::migrate(&test.config(), &changed, &[]).await);
    let failing = set(&[ONE, (2, "create table one ()")]);
    let failing = schema_error(Database::migrate(&test.config(), &failing, &[]).await);

    assert!(changed.contains("migration 1 was changed"), "{changed}");
    assert!(
        failing.contains("migration 2 failed") && failing.contains("one"),
        "{failing}"
    );
}

#[tokio::test]
async fn a_migration_gives_up_on_a_lock_instead_of_blocking_everybody() {
    let test = notes::fresh().await;
    let mut admin = test.admin().await;
    sqlx::raw_sql("begin; lock table notes")
        .execute(&mut admin)
        .await
        .unwrap();
    // The set that `notes` came from, and one more that needs the locked table.
    let mut all: Vec<Migration> = notes::MIGRATOR.iter().cloned().collect();
    all.extend(
        set(&[(2, "alter table notes add colour text")])
            .iter()
            .cloned(),
    );

    let result = Database::migrate(
        &test.config(),
        &Migrator::with_migrations(all),
        &[(idempotency::SCHEMA, &idempotency::MIGRATOR)],
    )
    .await;

    let error = result.unwrap_err();
    assert!(
        matches!(error, DbError::SerializationFailure(_)),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_migration_sees_the_rows_of_all_tenants() {
    let test = notes::fresh().await;
    let db = notes::connect(&test, 1);
    for _ in 0..2 {
        let tenant = tradepost_types::TenantId::new();
        let mut tx = db.tenant_tx(tenant).await.unwrap();
        notes::insert(tx.conn(), tenant, 1).await.unwrap();
        tx.commit().await.unwrap();
    }
    let mut all: Vec<Migration> = notes::MIGRATOR.iter().cloned().collect();
    all.extend(
        set(&[(2, "update notes set body = 'filled'")])
            .iter()
            .cloned(),
    );

    Database::migrate(&test.config(), &Migrator::with_migrations(all), &[])
        .await
        .unwrap();

    let filled: i64 = sqlx::query_scalar("select count(*) from notes where body = 'filled'")
        .fetch_one(&mut test.admin().await)
        .await
        .unwrap();
    assert_eq!(filled, 2);
}
