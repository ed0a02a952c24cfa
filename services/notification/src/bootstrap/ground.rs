//! The database, and the broker if there is one.

use tradepost_backend::{Backend, Settings, Store, StoreSettings};
use tradepost_messaging::Subscription;
use tradepost_postgres::Database;
use tradepost_service::{GrpcServer, Runtime};

use super::NAME;
use crate::adapters::postgres::MIGRATOR;
use crate::config::NotificationConfig;

/// The database, with the broker if there is one.
pub(super) enum Ground {
    /// With the broker.
    Both(Box<Backend>),
    /// Alone.
    Database(Store),
}

impl Ground {
    /// Waits for the database; the broker is not waited for.
    ///
    /// # Errors
    /// As [`Backend::open`].
    pub(super) async fn open(
        config: &NotificationConfig,
        runtime: &Runtime,
    ) -> anyhow::Result<Self> {
        let database = config.database.clone();
        if let Some(messaging) = config.messaging.clone() {
            let settings = Settings {
                database,
                messaging,
                schema: &MIGRATOR,
                request_ids_kept_hours: config.history.request_ids_kept_hours,
            };
            let backend = Backend::open(NAME, settings, runtime).await?;
            return Ok(Self::Both(Box::new(backend)));
        }
        tracing::warn!(
            event = "notification.no_broker",
            "there is no messaging.url: nobody is told what happens to orders"
        );
        let settings = StoreSettings {
            database,
            schema: &MIGRATOR,
            request_ids_kept_hours: config.history.request_ids_kept_hours,
        };
        Ok(Self::Database(Store::open(NAME, settings, runtime).await?))
    }

    pub(super) fn database(&self) -> Database {
        match self {
            Self::Both(backend) => backend.database(),
            Self::Database(store) => store.database(),
        }
    }

    /// Tells what happens to orders, if there is a broker.
    pub(super) fn hear_orders(&mut self, subscription: Subscription) {
        if let Self::Both(backend) = self {
            backend.subscribe(subscription);
        }
    }

    /// Serves until shutdown, then closes the pools.
    ///
    /// # Errors
    /// Fails when the server cannot serve.
    pub(super) async fn serve(self, runtime: Runtime, server: GrpcServer) -> anyhow::Result<()> {
        match self {
            Self::Both(backend) => backend.serve(runtime, server).await,
            Self::Database(store) => {
                let (tasks, shutdown) = (runtime.tasks.clone(), runtime.shutdown.clone());
                let served = server.serve(runtime.listener).await;
                store.close(&tasks, &shutdown).await;
                served
            }
        }
    }
}
