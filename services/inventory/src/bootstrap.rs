//! Puts the parts together: the only file that names concrete adapters.

use std::sync::Arc;
use std::time::Duration;

use tradepost_backend::{Backend, BackendCommand, Settings};
use tradepost_proto::FILE_DESCRIPTOR_SET;
use tradepost_proto::inventory::v1::inventory_service_server::InventoryServiceServer;
use tradepost_service::{CommonConfig, GrpcServer, Program, Runtime};

use crate::adapters::amqp;
use crate::adapters::grpc::{InventoryApi, RULES};
use crate::adapters::postgres::{MIGRATOR, PgInventory};
use crate::application::ExpireReservations;
use crate::config::InventoryConfig;
use crate::metrics::Metrics;

/// The inventory service as a program.
pub struct InventoryProgram;

impl Program for InventoryProgram {
    const NAME: &'static str = "inventory";
    const ABOUT: &'static str = "The catalogue and its stock";
    type Config = InventoryConfig;
    type Admin = BackendCommand;

    fn common(config: &InventoryConfig) -> &CommonConfig {
        &config.server
    }

    async fn serve(config: InventoryConfig, runtime: Runtime) -> anyhow::Result<()> {
        let settings = Settings {
            database: config.database.clone(),
            messaging: config.messaging.clone(),
            schema: &MIGRATOR,
            request_ids_kept_hours: config.limits.idempotency_retention_hours,
        };
        let mut backend = Backend::open(Self::NAME, settings, &runtime).await?;
        let metrics = Metrics::register(&runtime.registry);
        let store = Arc::new(PgInventory::new(backend.database(), backend.outbox()));
        let batch_max = config.limits.command_batch_max;
        backend.subscribe(amqp::subscription(
            store.clone(),
            metrics.clone(),
            batch_max,
        ));
        expire_reservations(&config, &runtime, &store, metrics);
        let api = InventoryApi::new(store.clone(), store);
        let server = GrpcServer::new(&runtime)
            .descriptor(FILE_DESCRIPTOR_SET)
            .service(InventoryServiceServer::new(api), &RULES);
        backend.serve(runtime, server).await
    }

    async fn admin(config: InventoryConfig, command: BackendCommand) -> anyhow::Result<()> {
        tradepost_backend::run(command, Self::NAME, &config.database).await
    }
}

fn expire_reservations(
    config: &InventoryConfig,
    runtime: &Runtime,
    store: &Arc<PgInventory>,
    metrics: Metrics,
) {
    let limits = &config.limits;
    let poll = Duration::from_millis(limits.expiry_poll_ms);
    let expiry = ExpireReservations::new(store.clone(), metrics, poll, limits.expiry_batch_max);
    let run = expiry.run(runtime.shutdown.clone());
    runtime.tasks.spawn("expiry", run);
}
