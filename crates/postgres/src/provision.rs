//! Making a service's roles and database, as a superuser. Idempotent.
//!
//! Nothing is granted on tables here: migrations grant explicitly.

use secrecy::{ExposeSecret, SecretString};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};

use crate::DbError;
use crate::config::connect_options;

/// Roles are shared by all databases of a cluster, so only one may change them at a time.
const PROVISION_LOCK: i64 = 0x7472_6164_6570_6f72;

/// The passwords of a service's three login roles.
#[derive(Debug, Clone)]
pub struct Passwords {
    /// Of `<service>_owner`, which owns the database and runs migrations.
    pub owner: SecretString,
    /// Of `<service>_app`, which serves requests.
    pub app: SecretString,
    /// Of `<service>_system`, which runs consumers, relay and sweepers.
    pub system: SecretString,
}

/// Makes the group roles, the login roles of `service` and its database (named like the service).
/// `admin_url` is a superuser's URL of the maintenance database.
///
/// # Errors
/// [`DbError::Unavailable`] if the server cannot be reached, else the failing statement's error.
pub async fn provision(
    admin_url: &SecretString,
    service: &str,
    passwords: &Passwords,
) -> Result<(), DbError> {
    let mut conn = connect_options(admin_url)?
        .application_name("tradepost-provision")
        .connect()
        .await?;
    sqlx::query("select pg_advisory_lock($1)")
        .bind(PROVISION_LOCK)
        .execute(&mut conn)
        .await?;
    roles(&mut conn, service, passwords).await?;
    database(&mut conn, service, service).await?;
    Ok(conn.close().await?)
}

/// Makes the group roles and the login roles of `service`, and sets the passwords.
async fn roles(
    conn: &mut PgConnection,
    service: &str,
    passwords: &Passwords,
) -> Result<(), DbError> {
    for group in ["tradepost_app", "tradepost_system"] {
        ensure_role(conn, group).await?;
        let limits = "alter role %I nologin nosuperuser nobypassrls nocreatedb nocreaterole";
        run(conn, limits, &[group]).await?;
    }
    let logins = [
        ("owner", &passwords.owner, "tradepost_system"),
        ("app", &passwords.app, "tradepost_app"),
        ("system", &passwords.system, "tradepost_system"),
    ];
    for (suffix, password, group) in logins {
        let role = format!("{service}_{suffix}");
        ensure_role(conn, &role).await?;
        let limits = "alter role %I login nosuperuser nobypassrls nocreatedb nocreaterole inherit \
                      password %L";
        run(conn, limits, &[&role, password.expose_secret()]).await?;
        // The owner too belongs to the system group: tables force row-level security on their
        // owner, and a migration that fills a new column must see every row.
        run(conn, "grant %I to %I", &[group, &role]).await?;
    }
    Ok(())
}

/// Makes `database`, owned by `<service>_owner`, and lets only the service's roles connect.
async fn database(conn: &mut PgConnection, database: &str, service: &str) -> Result<(), DbError> {
    let owner = format!("{service}_owner");
    let known: bool =
        sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
            .bind(database)
            .fetch_one(&mut *conn)
            .await?;
    if !known {
        run(conn, "create database %I owner %I", &[database, &owner]).await?;
    }
    run(conn, "alter database %I owner to %I", &[database, &owner]).await?;
    run(conn, "revoke all on database %I from public", &[database]).await?;
    for suffix in ["app", "system"] {
        let role = format!("{service}_{suffix}");
        run(
            conn,
            "grant connect on database %I to %I",
            &[database, &role],
        )
        .await?;
    }
    Ok(())
}

async fn ensure_role(conn: &mut PgConnection, role: &str) -> Result<(), DbError> {
    let known: bool = sqlx::query_scalar("select exists (select from pg_roles where rolname = $1)")
        .bind(role)
        .fetch_one(&mut *conn)
        .await?;
    if known {
        Ok(())
    } else {
        run(conn, "create role %I", &[role]).await
    }
}

/// Runs a statement that cannot have parameters: the server itself quotes the bound arguments.
async fn run(conn: &mut PgConnection, template: &str, arguments: &[&str]) -> Result<(), DbError> {
    let statement: String = sqlx::query_scalar("select format($1, variadic $2::text[])")
        .bind(template)
        .bind(arguments)
        .fetch_one(&mut *conn)
        .await?;
    conn.execute(AssertSqlSafe(statement)).await?;
    Ok(())
}
