//! A fresh, migrated database for one test.

mod template;

use std::time::Duration;

use secrecy::SecretString;
use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};
use tradepost_postgres::DatabaseConfig;
use url::Url;
use uuid::Uuid;

use crate::stack;

/// How long the end of a test waits for a connection on which to drop its database.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long it waits for the drop itself, which includes a checkpoint; the server goes on with it
/// when nobody listens any more.
const DROP_TIMEOUT: Duration = Duration::from_millis(50);

/// Roles of all test databases are `testkit_owner`, `testkit_app` and `testkit_system`.
const SERVICE: &str = "testkit";

/// A database of its own for one test, dropped with the value.
#[derive(Debug)]
pub struct TestDatabase {
    admin: Url,
    name: String,
    config: DatabaseConfig,
}

/// Makes a database with the migrations applied: a copy of a template that is made once for each
/// set of migrations. The arguments are those of `Database::migrate`.
///
/// # Panics
/// If there is no server and none can be started, or a migration fails.
pub async fn database(service: &Migrator, extra: &[(&'static str, &Migrator)]) -> TestDatabase {
    let admin = &stack::shared().postgres;
    match create(admin, service, extra).await {
        Ok(database) => database,
        Err(error) => panic!("cannot make a test database: {error:#}"),
    }
}

pub(crate) async fn create(
    admin: &Url,
    service: &Migrator,
    extra: &[(&'static str, &Migrator)],
) -> anyhow::Result<TestDatabase> {
    let mut conn = connect(admin).await?;
    let template = template::ensure(&mut conn, admin, service, extra).await?;
    let name = template::fresh_name();
    copy(&mut conn, &name, &template).await?;
    conn.close().await?;
    let config = template::config(admin, &name);
    Ok(TestDatabase {
        admin: admin.clone(),
        name,
        config,
    })
}

async fn copy(conn: &mut PgConnection, name: &str, template: &str) -> anyhow::Result<()> {
    let create = format!("create database {name} template {template} owner {SERVICE}_owner");
    conn.execute(AssertSqlSafe(create)).await?;
    template::grant_connect(conn, name).await
}

async fn connect(url: &Url) -> anyhow::Result<PgConnection> {
    let options: PgConnectOptions = url.as_str().parse()?;
    Ok(options
        .application_name("tradepost-testkit")
        .connect()
        .await?)
}

impl TestDatabase {
    /// Configuration with the three roles' URLs. Neither serving role is privileged, so row-level
    /// security applies as in production. It waits for connections, locks and statements far longer
    /// than a service does, so that no test depends on how busy the machine is: who tests a limit
    /// sets it.
    #[must_use]
    pub fn config(&self) -> DatabaseConfig {
        self.config.clone()
    }

    /// A superuser's URL of this database, for assertions from outside and for sabotage.
    #[must_use]
    pub fn admin_url(&self) -> SecretString {
        let mut url = self.admin.clone();
        url.set_path(&self.name);
        url.to_string().into()
    }

    /// A superuser's connection to this database.
    ///
    /// # Panics
    /// If it cannot be had.
    pub async fn admin(&self) -> PgConnection {
        let mut url = self.admin.clone();
        url.set_path(&self.name);
        match connect(&url).await {
            Ok(conn) => conn,
            Err(error) => panic!("cannot connect to {}: {error:#}", self.name),
        }
    }

    /// The database's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let admin = self.admin.clone();
        let name = std::mem::take(&mut self.name);
        // The test's own runtime may be gone, or be this very thread. A database that is left
        // behind is dropped by a later run.
        let dropper = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let Ok(runtime) = runtime else { return };
            runtime.block_on(async {
                let connected = tokio::time::timeout(CONNECT_TIMEOUT, connect(&admin)).await;
                let Ok(Ok(mut conn)) = connected else { return };
                let drop = template::drop_database(&mut conn, &name);
                let _best_effort = tokio::time::timeout(DROP_TIMEOUT, drop).await;
            });
        });
        let _best_effort = dropper.join();
    }
}

/// Secret-looking, equal in all test processes that use the same server.
fn role_password(admin: &Url, role: &str) -> String {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("{admin}#{role}").as_bytes())
        .simple()
        .to_string()
}
