//! The database from the start of a process to its end.

use std::time::Duration;

use sqlx::migrate::Migrator;
use tokio_util::sync::CancellationToken;
use tradepost_postgres::{Database, DatabaseConfig, idempotency};
use tradepost_service::{Runtime, Tasks};

use crate::janitor;

/// How often the database is tried while it cannot be reached at start.
const MIGRATE_RETRY: Duration = Duration::from_secs(1);

/// What a service chooses of its database.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// The service's own database.
    pub database: DatabaseConfig,
    /// The service's own tables; those of the shared crates come by themselves.
    pub schema: &'static Migrator,
    /// How long a request id is remembered; a repetition after that is a new request.
    pub request_ids_kept_hours: u32,
}

/// The database of one process: for a service that has no messages. A service that has them opens
/// a [`Backend`](crate::Backend).
#[derive(Debug)]
pub struct Store {
    database: Database,
}

impl Store {
    /// Waits for the database, brings its schema up to date, adds it to the process's readiness
    /// and forgets old request ids from then on.
    ///
    /// # Errors
    /// Fails when the configuration cannot be used, the schema is not the right one, or the
    /// process is told to stop first.
    pub async fn open(
        service: &'static str,
        settings: StoreSettings,
        runtime: &Runtime,
    ) -> anyhow::Result<Self> {
        Self::open_with(service, settings, &[], runtime).await
    }

    /// As [`open`](Self::open), with more tables in schemas of their own.
    pub(crate) async fn open_with(
        service: &'static str,
        settings: StoreSettings,
        extra: &[(&'static str, &Migrator)],
        runtime: &Runtime,
    ) -> anyhow::Result<Self> {
        let database = Database::connect_lazy(&settings.database, service)?;
        migrate(&settings, extra, &runtime.shutdown).await?;
        check_health(runtime, &database);
        let hours = settings.request_ids_kept_hours;
        let prune = janitor::run(database.clone(), hours, runtime.shutdown.clone());
        runtime.tasks.spawn("request-id-janitor", prune);
        Ok(Self { database })
    }

    /// The pools, for adapters.
    #[must_use]
    pub fn database(&self) -> Database {
        self.database.clone()
    }

    /// Stops the process's tasks and closes the pools after the last user of them.
    pub async fn close(self, tasks: &Tasks, shutdown: &CancellationToken) {
        shutdown.cancel();
        tasks.drained().await;
        self.database.close().await;
    }
}

fn check_health(runtime: &Runtime, database: &Database) {
    let pinged = database.clone();
    runtime.health.check("database", move || {
        let database = pinged.clone();
        async move { database.ping().await.map_err(|error| error.to_string()) }
    });
}

/// Brings the schema up to date; a database that is not there yet is waited for.
async fn migrate(
    settings: &StoreSettings,
    extra: &[(&'static str, &Migrator)],
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let mut sets = vec![(idempotency::SCHEMA, &idempotency::MIGRATOR)];
    sets.extend_from_slice(extra);
    loop {
        match Database::migrate(&settings.database, settings.schema, &sets).await {
            Ok(()) => return Ok(()),
            Err(error) if error.is_retryable() => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(event = "backend.database_awaited", error, "tried again");
            }
            Err(error) => return Err(error.into()),
        }
        tokio::select! {
            () = shutdown.cancelled() => anyhow::bail!("stopped before the database was there"),
            () = tokio::time::sleep(MIGRATE_RETRY) => {}
        }
    }
}
