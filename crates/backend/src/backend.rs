//! Database and messaging from the start of a process to its end.

use sqlx::migrate::Migrator;
use tradepost_messaging::{Messaging, MessagingConfig, Outbox, Subscription};
use tradepost_postgres::{Database, DatabaseConfig};
use tradepost_service::{GrpcServer, Runtime};

use crate::store::{Store, StoreSettings};

/// The tables of messaging, besides the service's own.
const MESSAGING: (&str, &Migrator) = ("messaging", &tradepost_messaging::MIGRATOR);

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
    store: Store,
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
        let Settings {
            database,
            messaging,
            schema,
            request_ids_kept_hours,
        } = settings;
        let settings = StoreSettings {
            database,
            schema,
            request_ids_kept_hours,
        };
        let store = Store::open_with(service, settings, &[MESSAGING], runtime).await?;
        let messaging = runtime
            .registry
            .with(|registry| Messaging::new(messaging, store.database(), service, registry));
        Ok(Self { store, messaging })
    }

    /// The pools, for adapters.
    #[must_use]
    pub fn database(&self) -> Database {
        self.store.database()
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
        self.store.close(&runtime.tasks, &runtime.shutdown).await;
        served
    }
}
