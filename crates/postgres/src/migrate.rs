//! Bringing a schema up to date, or checking that it is.

use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};

use crate::config::connect_options;
use crate::{DatabaseConfig, DbError};

/// The service's own migrations run here.
const SERVICE_SCHEMA: &str = "public";
/// One migration run at a time in a database. "tradepost" in ASCII, cut to 64 bits.
const MIGRATION_LOCK: i64 = 0x7472_6164_6570_6f73;
/// How long to wait for another instance that migrates.
const MIGRATION_LOCK_TIMEOUT: Duration = Duration::from_secs(120);
/// A migration that waits for a lock blocks everybody behind it, so it gives up soon.
const DDL_LOCK_TIMEOUT_MS: u64 = 2_000;

pub(crate) async fn migrate(
    config: &DatabaseConfig,
    service: &Migrator,
    extra: &[(&'static str, &Migrator)],
) -> Result<(), DbError> {
    let sets = || extra.iter().copied().chain([(SERVICE_SCHEMA, service)]);
    let Some(owner_url) = &config.owner_url else {
        let mut conn = connect(connect_options(&config.system_url)?).await?;
        for (schema, migrator) in sets() {
            check(&mut conn, schema, migrator).await?;
        }
        return Ok(conn.close().await?);
    };
    let mut conn = connect(connect_options(owner_url)?).await?;
    lock(&mut conn).await?;
    for (schema, migrator) in sets() {
        run(&mut conn, schema, migrator).await?;
    }
    // The lock belongs to the session and ends with it, here and on every early return.
    Ok(conn.close().await?)
}

async fn connect(options: PgConnectOptions) -> Result<PgConnection, DbError> {
    Ok(options
        .application_name("tradepost-migrate")
        .connect()
        .await?)
}

async fn lock(conn: &mut PgConnection) -> Result<(), DbError> {
    let waited_ms = MIGRATION_LOCK_TIMEOUT.as_millis();
    set(conn, "lock_timeout", &waited_ms.to_string()).await?;
    sqlx::query("select pg_advisory_lock($1)")
        .bind(MIGRATION_LOCK)
        .execute(&mut *conn)
        .await?;
    set(conn, "lock_timeout", &DDL_LOCK_TIMEOUT_MS.to_string()).await
}

async fn set(conn: &mut PgConnection, name: &str, value: &str) -> Result<(), DbError> {
    sqlx::query("select set_config($1, $2, false)")
        .bind(name)
        .bind(value)
        .execute(conn)
        .await?;
    Ok(())
}

/// Runs one set in its schema. The serving roles may read its bookkeeping, so that a service
/// without the owner's password can check.
async fn run(conn: &mut PgConnection, schema: &str, migrator: &Migrator) -> Result<(), DbError> {
    set(conn, "search_path", schema).await?;
    let create = format!("create schema if not exists \"{schema}\"");
    conn.execute(AssertSqlSafe(create)).await?;
    migrator
        .run_direct(None, conn, false)
        .await
        .map_err(|error| explain(schema, error))?;
    let grant = format!(
        "grant usage on schema \"{schema}\" to tradepost_app, tradepost_system;
         grant select on \"{schema}\"._sqlx_migrations to tradepost_app, tradepost_system"
    );
    conn.execute(AssertSqlSafe(grant)).await?;
    Ok(())
}

async fn check(conn: &mut PgConnection, schema: &str, migrator: &Migrator) -> Result<(), DbError> {
    let query = format!("select version, checksum from \"{schema}\"._sqlx_migrations");
    let applied: Vec<(i64, Vec<u8>)> =
        match sqlx::query_as(AssertSqlSafe(query)).fetch_all(conn).await {
            Ok(applied) => applied,
            Err(error) if is_undefined(&error) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
    for migration in migrator.iter() {
        let known = applied
            .iter()
            .find(|(version, _)| *version == migration.version);
        match known {
            None => return Err(older(schema, migration.version)),
            Some((version, checksum)) if migration.checksum.as_ref() != checksum => {
                return Err(explain(schema, MigrateError::VersionMismatch(*version)));
            }
            Some(_) => {}
        }
    }
    match applied
        .iter()
        .find(|(version, _)| !migrator.version_exists(*version))
    {
        Some((version, _)) => Err(explain(schema, MigrateError::VersionMissing(*version))),
        None => Ok(()),
    }
}

/// Undefined table or schema: nothing was ever migrated.
fn is_undefined(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|answer| answer.code());
    matches!(code.as_deref(), Some("42P01" | "3F000"))
}

fn older(schema: &str, version: i64) -> DbError {
    DbError::Schema(format!(
        "schema \"{schema}\": it is older than this binary: migration {version} is missing; \
         run the migrations with the owner role first"
    ))
}

fn explain(schema: &str, error: MigrateError) -> DbError {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the enum is open, and these we only name"
    )]
    let detail = match error {
        MigrateError::Execute(error) => return error.into(),
        MigrateError::ExecuteMigration(error, version) => match DbError::from(error) {
            passing if passing.is_retryable() => return passing,
            DbError::Query(error) => format!("migration {version} failed: {error}"),
            fault => format!("migration {version} failed: {fault}"),
        },
        MigrateError::VersionMissing(version) => format!(
            "it is newer than this binary: it has migration {version}, which this binary does not \
             know; deploy a newer binary"
        ),
        MigrateError::VersionMismatch(version) => {
            format!("migration {version} was changed after it had been applied")
        }
        other => other.to_string(),
    };
    DbError::Schema(format!("schema \"{schema}\": {detail}"))
}
