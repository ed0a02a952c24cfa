//! Puts the parts together: the only file that names concrete adapters.

use std::sync::Arc;
use std::time::Duration;

use clap::Subcommand;
use tokio_util::sync::CancellationToken;
use tradepost_messaging::parked::ParkedCommand;
use tradepost_messaging::{Messaging, parked};
use tradepost_postgres::{Database, DbError, idempotency};
use tradepost_proto::FILE_DESCRIPTOR_SET;
use tradepost_proto::shipping::v1::shipping_service_server::ShippingServiceServer;
use tradepost_service::{Clock, CommonConfig, GrpcServer, Program, Runtime};

use crate::adapters::amqp;
use crate::adapters::grpc::ShippingApi;
use crate::adapters::postgres::{MIGRATOR, PgShipments};
use crate::adapters::table_rate::TableRate;
use crate::application::{CarryOut, MoveParcels};
use crate::config::ShippingConfig;
use crate::metrics::Metrics;
use crate::ports::{AnyCarrier, Shipments};

/// How often old request ids are deleted.
const PRUNE_INTERVAL: Duration = Duration::from_secs(600);
/// How long a request id is remembered; a repetition after that is a new request.
const REQUEST_IDS_KEPT: time::Duration = time::Duration::days(7);
/// How often the database is tried while it cannot be reached at start.
const MIGRATE_RETRY: Duration = Duration::from_secs(1);

/// The shipping service as a program.
pub struct ShippingProgram;

/// Commands for operators.
#[derive(Debug, Subcommand)]
pub enum Admin {
    /// Messages that could not be handled
    #[command(subcommand)]
    Parked(ParkedCommand),
}

impl Program for ShippingProgram {
    const NAME: &'static str = "shipping";
    const ABOUT: &'static str = "Parcels: rates, booking, tracking";
    type Config = ShippingConfig;
    type Admin = Admin;

    fn common(config: &ShippingConfig) -> &CommonConfig {
        &config.server
    }

    async fn serve(config: ShippingConfig, runtime: Runtime) -> anyhow::Result<()> {
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
        let store: Shipments = Arc::new(PgShipments::new(database.clone(), messaging.outbox()));
        let carrier: AnyCarrier = Arc::new(TableRate::new(config.carrier.clone()));
        let carry_out = CarryOut::new(store.clone(), carrier.clone(), metrics.clone());
        messaging.subscribe(amqp::subscription(
            carry_out,
            config.limits.command_batch_max,
        ));
        spawn_background(
            &config,
            &runtime,
            (store.clone(), carrier.clone()),
            metrics,
            &database,
        );
        let shutdown = runtime.shutdown.clone();
        runtime.tasks.spawn("messaging", messaging.run(shutdown));
        check_health(&runtime, &database);
        let api = ShippingApi::new(store, carrier);
        let served = GrpcServer::new(&runtime)
            .descriptor(FILE_DESCRIPTOR_SET)
            .service(ShippingServiceServer::new(api))
            .serve(runtime.listener)
            .await;
        let (tasks, shutdown) = (runtime.tasks, runtime.shutdown);
        // The pools close after the last user of them; the tasks end by the shutdown.
        shutdown.cancel();
        tasks.drained().await;
        database.close().await;
        served
    }

    async fn admin(config: ShippingConfig, command: Admin) -> anyhow::Result<()> {
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
    config: &ShippingConfig,
    runtime: &Runtime,
    (store, carrier): (Shipments, AnyCarrier),
    metrics: Metrics,
    database: &Database,
) {
    let limits = &config.limits;
    let poll = Duration::from_millis(limits.clock_poll_ms);
    let clock = MoveParcels::new(store, carrier, metrics, poll, limits.clock_batch_max);
    runtime
        .tasks
        .spawn("carrier-clock", clock.run(runtime.shutdown.clone()));
    let prune = prune_request_ids(database.clone(), runtime.shutdown.clone());
    runtime.tasks.spawn("request-id-janitor", prune);
}

/// Brings the schema up to date; a database that is not there yet is waited for.
async fn migrate(config: &ShippingConfig, shutdown: &CancellationToken) -> anyhow::Result<()> {
    let extra = [
        (idempotency::SCHEMA, &idempotency::MIGRATOR),
        ("messaging", &tradepost_messaging::MIGRATOR),
    ];
    loop {
        match Database::migrate(&config.database, &MIGRATOR, &extra).await {
            Ok(()) => return Ok(()),
            Err(error) if error.is_retryable() => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(event = "shipping.database_awaited", error, "tried again");
            }
            Err(error) => return Err(error.into()),
        }
        tokio::select! {
            () = shutdown.cancelled() => anyhow::bail!("stopped before the database was there"),
            () = tokio::time::sleep(MIGRATE_RETRY) => {}
        }
    }
}

async fn prune_request_ids(database: Database, shutdown: CancellationToken) {
    let clock = Clock::system();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(PRUNE_INTERVAL) => {}
        }
        let older_than = clock.now() - REQUEST_IDS_KEPT;
        let pruned = async {
            let mut tx = database.system_tx().await?;
            idempotency::prune(tx.conn(), older_than).await?;
            tx.commit().await?;
            Ok::<_, DbError>(())
        };
        if let Err(error) = pruned.await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(event = "shipping.prune_failed", error, "tried again later");
        }
    }
}
