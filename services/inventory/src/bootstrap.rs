//! Puts the parts together: the only file that names concrete adapters.

use std::sync::Arc;
use std::time::Duration;

use clap::Subcommand;
use tokio_util::sync::CancellationToken;
use tradepost_messaging::parked::ParkedCommand;
use tradepost_messaging::{Messaging, parked};
use tradepost_postgres::{Database, DbError, idempotency};
use tradepost_proto::FILE_DESCRIPTOR_SET;
use tradepost_proto::inventory::v1::inventory_service_server::InventoryServiceServer;
use tradepost_service::{Clock, CommonConfig, GrpcServer, Program, Runtime};

use crate::adapters::amqp;
use crate::adapters::grpc::InventoryApi;
use crate::adapters::postgres::{MIGRATOR, PgInventory};
use crate::application::ExpireReservations;
use crate::config::InventoryConfig;
use crate::metrics::Metrics;

/// How often old request ids are deleted.
const PRUNE_INTERVAL: Duration = Duration::from_secs(600);
/// How often the database is tried while it cannot be reached at start.
const MIGRATE_RETRY: Duration = Duration::from_secs(1);

/// The inventory service as a program.
pub struct InventoryProgram;

/// Commands for operators.
#[derive(Debug, Subcommand)]
pub enum Admin {
    /// Messages that could not be handled
    #[command(subcommand)]
    Parked(ParkedCommand),
}

impl Program for InventoryProgram {
    const NAME: &'static str = "inventory";
    const ABOUT: &'static str = "The catalogue and its stock";
    type Config = InventoryConfig;
    type Admin = Admin;

    fn common(config: &InventoryConfig) -> &CommonConfig {
        &config.server
    }

    async fn serve(config: InventoryConfig, runtime: Runtime) -> anyhow::Result<()> {
        let database = Database::connect_lazy(&config.database, Self::NAME)?;
        migrate(&config, &runtime.shutdown).await?;
        let metrics = Metrics::register(&runtime.registry);
        let mut messaging = runtime.registry.with(|registry| {
            Messaging::new(
                config.messaging.clone(),
                database.clone(),
                Self::NAME,
                registry,
            )
        });
        let store = Arc::new(PgInventory::new(database.clone(), messaging.outbox()));
        let batch_max = config.limits.command_batch_max;
        messaging.subscribe(amqp::subscription(
            store.clone(),
            metrics.clone(),
            batch_max,
        ));
        spawn_background(&config, &runtime, &store, metrics, &database);
        let shutdown = runtime.shutdown.clone();
        runtime.tasks.spawn("messaging", messaging.run(shutdown));
        check_health(&runtime, &database);
        let api = InventoryApi::new(store.clone(), store);
        let served = GrpcServer::new(&runtime)
            .descriptor(FILE_DESCRIPTOR_SET)
            .service(InventoryServiceServer::new(api))
            .serve(runtime.listener)
            .await;
        let (tasks, shutdown) = (runtime.tasks, runtime.shutdown);
        // The pools close after the last user of them; the tasks end by the shutdown.
        shutdown.cancel();
        tasks.drained().await;
        database.close().await;
        served
    }

    async fn admin(config: InventoryConfig, command: Admin) -> anyhow::Result<()> {
        let database = Database::connect_lazy(&config.database, Self::NAME)?;
        let Admin::Parked(command) = command;
        parked::run(command, &database).await?;
        Ok(())
    }
}

fn check_health(runtime: &Runtime, database: &Database) {
    let pinged = database.clone();
    runtime.health.check("database", move || {
        let database = pinged.clone();
        async move { database.ping().await.map_err(|error| error.to_string()) }
    });
}

fn spawn_background(
    config: &InventoryConfig,
    runtime: &Runtime,
    store: &Arc<PgInventory>,
    metrics: Metrics,
    database: &Database,
) {
    let limits = &config.limits;
    let poll = Duration::from_millis(limits.expiry_poll_ms);
    let expiry = ExpireReservations::new(store.clone(), metrics, poll, limits.expiry_batch_max);
    runtime
        .tasks
        .spawn("expiry", expiry.run(runtime.shutdown.clone()));
    let hours = limits.idempotency_retention_hours;
    let prune = prune_request_ids(database.clone(), hours, runtime.shutdown.clone());
    runtime.tasks.spawn("request-id-janitor", prune);
}

/// Brings the schema up to date; a database that is not there yet is waited for.
async fn migrate(config: &InventoryConfig, shutdown: &CancellationToken) -> anyhow::Result<()> {
    let extra = [
        (idempotency::SCHEMA, &idempotency::MIGRATOR),
        ("messaging", &tradepost_messaging::MIGRATOR),
    ];
    loop {
        match Database::migrate(&config.database, &MIGRATOR, &extra).await {
            Ok(()) => return Ok(()),
            Err(error) if error.is_retryable() => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(event = "inventory.database_awaited", error, "tried again");
            }
            Err(error) => return Err(error.into()),
        }
        tokio::select! {
            () = shutdown.cancelled() => anyhow::bail!("stopped before the database was there"),
            () = tokio::time::sleep(MIGRATE_RETRY) => {}
        }
    }
}

async fn prune_request_ids(database: Database, hours: u32, shutdown: CancellationToken) {
    let clock = Clock::system();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(PRUNE_INTERVAL) => {}
        }
        let older_than = clock.now() - time::Duration::hours(i64::from(hours));
        let pruned = async {
            let mut tx = database.system_tx().await?;
            idempotency::prune(tx.conn(), older_than).await?;
            tx.commit().await?;
            Ok::<_, DbError>(())
        };
        if let Err(error) = pruned.await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(event = "inventory.prune_failed", error, "tried again later");
        }
    }
}
