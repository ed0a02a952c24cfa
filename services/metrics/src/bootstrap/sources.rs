//! Where events come from besides calls: the facts of orders, and Redis Streams.

use std::sync::Arc;

use tradepost_backend::{Backend, Settings, Store, StoreSettings};
use tradepost_postgres::Database;
use tradepost_service::{GrpcServer, Runtime};

use super::NAME;
use crate::adapters::amqp;
use crate::adapters::grpc::analytics::AnalyticsApi;
use crate::adapters::postgres::MIGRATOR;
use crate::adapters::streams::{Reader, Reading};
use crate::config::MetricsConfig;
use crate::metrics::StreamMetrics;

/// No method takes a request id: batches have names of their own, and `PutTenant` replaces.
const REQUEST_IDS_KEPT_HOURS: u32 = 1;

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
    pub(super) async fn open(config: &MetricsConfig, runtime: &Runtime) -> anyhow::Result<Self> {
        let database = config.database.clone();
        if let Some(messaging) = config.messaging.clone() {
            let settings = Settings {
                database,
                messaging,
                schema: &MIGRATOR,
                request_ids_kept_hours: REQUEST_IDS_KEPT_HOURS,
            };
            let backend = Backend::open(NAME, settings, runtime).await?;
            return Ok(Self::Both(Box::new(backend)));
        }
        tracing::warn!(
            event = "metrics.no_broker",
            "there is no messaging.url: what happens to orders is not counted"
        );
        let settings = StoreSettings {
            database,
            schema: &MIGRATOR,
            request_ids_kept_hours: REQUEST_IDS_KEPT_HOURS,
        };
        Ok(Self::Database(Store::open(NAME, settings, runtime).await?))
    }

    pub(super) fn database(&self) -> Database {
        match self {
            Self::Both(backend) => backend.database(),
            Self::Database(store) => store.database(),
        }
    }

    /// Counts the facts of orders, if there is a broker.
    pub(super) fn count_orders(&mut self, api: &AnalyticsApi) {
        if let Self::Both(backend) = self {
            let (ingest, clock) = (api.ingest.clone(), api.clock.clone());
            let history_days = api.limits.history_days;
            backend.subscribe(amqp::subscription(ingest, history_days, clock));
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

/// Reads the streams that are configured, beside the calls.
///
/// # Errors
/// Fails when `redis.url` cannot be used.
pub fn read_streams(
    config: &MetricsConfig,
    runtime: &Runtime,
    api: &AnalyticsApi,
) -> anyhow::Result<()> {
    let Some(url) = &config.redis.url else {
        return Ok(());
    };
    if config.streams.read.is_empty() {
        return Ok(());
    }
    let shared = Reading {
        ingest: api.ingest.clone(),
        config: Arc::new(config.streams.clone()),
        history_days: api.limits.history_days,
        clock: api.clock.clone(),
        metrics: api.metrics.clone(),
        stream_metrics: StreamMetrics::register(&runtime.registry),
    };
    for stream in &config.streams.read {
        let reader = Reader::new(url, stream, shared.clone())?;
        let run = reader.run(runtime.shutdown.clone());
        runtime.tasks.spawn("stream-reader", run);
    }
    Ok(())
}
