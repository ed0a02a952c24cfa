//! Template databases: one for each set of migrations, made once and copied for every test.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{SystemTime, UNIX_EPOCH};

use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, Executor, PgConnection};
use tradepost_postgres::provision::{Passwords, provision};
use tradepost_postgres::{Database, DatabaseConfig};
use url::Url;
use uuid::Uuid;

use super::{SERVICE, role_password};

/// One process makes a template at a time. "testkit" in ASCII.
const TEMPLATE_LOCK: i64 = 0x74_6573_746b_6974;
/// Databases of tests that died are dropped when they are this old.
const LEFT_BEHIND_AGE_SECONDS: u64 = 3_600;
const PREFIX: &str = "tradepost_test";
/// A service gives up after a second or a few; a test must not, because a busy machine takes its
/// time, and then it is slow and not broken.
const PATIENCE_MS: u64 = 30_000;

/// Makes the template for these migrations unless it is there, and returns its name.
pub(super) async fn ensure(
    conn: &mut PgConnection,
    admin: &Url,
    service: &Migrator,
    extra: &[(&'static str, &Migrator)],
) -> anyhow::Result<String> {
    let name = template_name(admin, service, extra);
    if exists(conn, &name).await? {
        return Ok(name);
    }
    sqlx::query("select pg_advisory_lock($1)")
        .bind(TEMPLATE_LOCK)
        .execute(&mut *conn)
        .await?;
    if !exists(conn, &name).await? {
        drop_left_behind(conn).await?;
        make(conn, admin, &name, service, extra).await?;
    }
    sqlx::query("select pg_advisory_unlock($1)")
        .bind(TEMPLATE_LOCK)
        .execute(conn)
        .await?;
    Ok(name)
}

/// Under another name until it is complete, so that a half-made template is never used.
async fn make(
    conn: &mut PgConnection,
    admin: &Url,
    name: &str,
    service: &Migrator,
    extra: &[(&'static str, &Migrator)],
) -> anyhow::Result<()> {
    let password = |role: &str| role_password(admin, role).into();
    let passwords = Passwords {
        owner: password("owner"),
        app: password("app"),
        system: password("system"),
    };
    provision(&admin.to_string().into(), SERVICE, &passwords).await?;
    let draft = format!("{name}_draft");
    drop_database(conn, &draft).await?;
    let create = format!("create database {draft} owner {SERVICE}_owner");
    conn.execute(AssertSqlSafe(create)).await?;
    grant_connect(conn, &draft).await?;
    Database::migrate(&config(admin, &draft), service, extra).await?;
    let rename = format!("alter database {draft} rename to {name}");
    conn.execute(AssertSqlSafe(rename)).await?;
    Ok(())
}

/// Rights on a database itself are not copied from its template.
pub(super) async fn grant_connect(conn: &mut PgConnection, name: &str) -> anyhow::Result<()> {
    let grant = format!(
        "revoke all on database {name} from public;
         grant connect on database {name} to {SERVICE}_app, {SERVICE}_system"
    );
    conn.execute(AssertSqlSafe(grant)).await?;
    Ok(())
}

/// The three roles' configuration for the database `name`.
pub(super) fn config(admin: &Url, name: &str) -> DatabaseConfig {
    let url = |suffix: &str| {
        let role = format!("{SERVICE}_{suffix}");
        let mut url = admin.clone();
        url.set_path(name);
        // Both fail only for URLs that have no host.
        let _ = url.set_username(&role);
        let _ = url.set_password(Some(&role_password(admin, suffix)));
        url.to_string()
    };
    DatabaseConfig {
        owner_url: Some(url("owner").into()),
        acquire_timeout_ms: PATIENCE_MS,
        statement_timeout_ms: PATIENCE_MS,
        lock_timeout_ms: PATIENCE_MS,
        ..DatabaseConfig::new(url("app"), url("system"))
    }
}

/// A name for a test's database that says when it was made.
pub(super) fn fresh_name() -> String {
    let id = Uuid::now_v7().simple().to_string();
    let random = id.get(20..).unwrap_or(&id);
    format!("{PREFIX}_{}_{random}", unix_seconds())
}

pub(super) async fn drop_database(conn: &mut PgConnection, name: &str) -> anyhow::Result<()> {
    let drop = format!("drop database if exists {name} with (force)");
    conn.execute(AssertSqlSafe(drop)).await?;
    Ok(())
}

async fn drop_left_behind(conn: &mut PgConnection) -> anyhow::Result<()> {
    let idle: Vec<String> = sqlx::query_scalar(
        "select datname::text from pg_database
         where starts_with(datname, $1)
           and not exists (
               select from pg_stat_activity where pg_stat_activity.datid = pg_database.oid)",
    )
    .bind(format!("{PREFIX}_"))
    .fetch_all(&mut *conn)
    .await?;
    let oldest = unix_seconds().saturating_sub(LEFT_BEHIND_AGE_SECONDS);
    for name in idle {
        let made = name
            .split('_')
            .nth(2)
            .and_then(|seconds| seconds.parse::<u64>().ok());
        if made.is_some_and(|made| made < oldest) {
            drop_database(conn, &name).await?;
        }
    }
    Ok(())
}

/// Names what the template is made of: the migrations, and the passwords in the roles.
fn template_name(admin: &Url, service: &Migrator, extra: &[(&'static str, &Migrator)]) -> String {
    let mut hasher = DefaultHasher::new();
    role_password(admin, "").hash(&mut hasher);
    for (schema, migrator) in extra.iter().copied().chain([("public", service)]) {
        schema.hash(&mut hasher);
        for migration in migrator.iter() {
            (migration.version, &migration.checksum).hash(&mut hasher);
        }
    }
    format!("tradepost_template_{:016x}", hasher.finish())
}

async fn exists(conn: &mut PgConnection, name: &str) -> anyhow::Result<bool> {
    let exists = sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
        .bind(name)
        .fetch_one(conn)
        .await?;
    Ok(exists)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a name for people and for the next clean-up"
)]
fn unix_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
