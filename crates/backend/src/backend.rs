//! Database and messaging from the start of a process to its end.

use std::time::Duration;

use sqlx::migrate::Migrator;
use tokio_util::sync::CancellationToken;
use tradepost_messaging::{Messaging, MessagingConfig, Outbox, Subscription};
use tradepost_postgres::{Database, DatabaseConfig, idempotency};
use tradepost_service::{GrpcServer, Runtime};

use crate::janitor;

/// How often the database is tried while it cannot be reached at start.
const MIGRATE_RETRY: Duration = Duration::from_secs(1);

/// What a service chooses of its backend.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The service's own database.
    pub database: DatabaseConfig,
    /// The broker.
    pub messaging: MessagingConfig,
    /// The service's own tables; those of the shared crates come by themselves.
    pub schema: &'static Migrator,
    /// How long a request id is remembered; a repetition after that is a new request.
    pub request_ids_kept_hours: u32,
}

/// Database and messaging of one process.
pub struct Backend {
    database: Database,
    messaging: Messaging,
}

impl Backend {
    /// Waits for the database, brings its schema up to date, adds it to the process's readiness
    /// and forgets old request ids from then on. The broker is not waited for, and is no condition
    /// of readiness: what is to be sent waits in the outbox, and messaging has a gauge of its own.
    ///
    /// # Errors
    /// Fails when the configuration cannot be used, the schema is not the right one, or the
    /// process is told to stop first.
    pub async fn open(
        service: &'static str,
        settings: Settings,
        runtime: &Runtime,
    ) -> anyhow::Result<Self> {
        let database = Database::connect_lazy(&settings.database, service)?;
        migrate(&settings, &runtime.shutdown).await?;
        let messaging = runtime.registry.with(|registry| {
            Messaging::new(settings.messaging, database.clone(), service, registry)
        });
        check_health(runtime, &database);
        let hours = settings.request_ids_kept_hours;
        let prune = janitor::run(database.clone(), hours, runtime.shutdown.clone());
        runtime.tasks.spawn("request-id-janitor", prune);
        Ok(Self {
            database,
            messaging,
        })
    }

    /// The pools, for adapters.
    #[must_use]
    pub fn database(&self) -> Database {
        self.database.clone()
    }

    /// Where messages go out, for adapters.
    #[must_use]
    pub fn outbox(&self) -> Outbox {
        self.messaging.outbox()
    }

    /// Adds a queue and its handler.
    pub fn subscribe(&mut self, subscription: Subscription) {
        self.messaging.subscribe(subscription);
    }

    /// Runs messaging and `server` until shutdown, then closes the pools.
    ///
    /// # Errors
    /// Fails when the server cannot serve.
    pub async fn serve(self, runtime: Runtime, server: GrpcServer) -> anyhow::Result<()> {
        let messaging = self.messaging.run(runtime.shutdown.clone());
        runtime.tasks.spawn("messaging", messaging);
        let served = server.serve(runtime.listener).await;
        // The pools close after the last user of them; the tasks end by the shutdown.
        runtime.shutdown.cancel();
        runtime.tasks.drained().await;
        self.database.close().await;
        served
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
async fn migrate(settings: &Settings, shutdown: &CancellationToken) -> anyhow::Result<()> {
    let extra = [
        (idempotency::SCHEMA, &idempotency::MIGRATOR),
        ("messaging", &tradepost_messaging::MIGRATOR),
    ];
    loop {
        match Database::migrate(&settings.database, settings.schema, &extra).await {
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
