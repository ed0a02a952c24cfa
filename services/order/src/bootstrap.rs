//! Puts the parts together: the only file that names concrete adapters.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Subcommand;
use tokio_util::sync::CancellationToken;
use tradepost_messaging::parked::ParkedCommand;
use tradepost_messaging::{Messaging, parked};
use tradepost_postgres::{Database, idempotency};
use tradepost_proto::FILE_DESCRIPTOR_SET;
use tradepost_proto::order::v1::order_service_server::OrderServiceServer;
use tradepost_service::client::{ClientOptions, channel};
use tradepost_service::{Clock, CommonConfig, GrpcServer, Program, Runtime};

use crate::adapters::amqp::subscription;
use crate::adapters::grpc::OrderApi;
use crate::adapters::inventory::{CacheLimits, InventoryCatalogue};
use crate::adapters::postgres::{MIGRATOR, PgOrders};
use crate::application::{
    ApplyAnswers, Changes, ExpressWish, FireDeadlines, PlaceOrder, ReadOrders, WatchOrder,
};
use crate::config::OrderConfig;
use crate::domain::saga::Definitions;
use crate::metrics::Metrics;
use crate::ports::OrderStore;

/// How often old request ids are deleted.
const PRUNE_INTERVAL: Duration = Duration::from_secs(600);
/// How often the database is tried while it cannot be reached at start.
const MIGRATE_RETRY: Duration = Duration::from_secs(1);

/// The order service as a program.
pub struct OrderProgram;

/// Commands for operators.
#[derive(Debug, Subcommand)]
pub enum Admin {
    /// Messages that could not be handled
    #[command(subcommand)]
    Parked(ParkedCommand),
}

impl Program for OrderProgram {
    const NAME: &'static str = "order";
    const ABOUT: &'static str = "Orders and the saga that drives them";
    type Config = OrderConfig;
    type Admin = Admin;

    fn common(config: &OrderConfig) -> &CommonConfig {
        &config.server
    }

    async fn serve(config: OrderConfig, runtime: Runtime) -> anyhow::Result<()> {
        let definitions = Definitions::new(config.saga.policy());
        serve(config, runtime, definitions).await
    }

    async fn admin(config: OrderConfig, command: Admin) -> anyhow::Result<()> {
        let database = Database::connect_lazy(&config.database, Self::NAME)?;
        let Admin::Parked(command) = command;
        parked::run(command, &database).await?;
        Ok(())
    }
}

/// Serves until shutdown, with the given definitions of the saga.
///
/// # Errors
/// Fails when the configuration cannot be used or the schema is not the right one.
pub async fn serve(
    config: OrderConfig,
    runtime: Runtime,
    definitions: Definitions,
) -> anyhow::Result<()> {
    let database = Database::connect_lazy(&config.database, OrderProgram::NAME)?;
    migrate(&config, &runtime.shutdown).await?;
    let metrics = Metrics::register(&runtime.registry);
    let mut messaging = runtime.registry.with(|registry| {
        let config = config.messaging.clone();
        Messaging::new(config, database.clone(), OrderProgram::NAME, registry)
    });
    let changes = Changes::default();
    let outbox = messaging.outbox();
    let definitions = Arc::new(definitions);
    let store = PgOrders::new(database.clone(), outbox, definitions, changes.clone());
    let store: Arc<dyn OrderStore> = Arc::new(store);
    let answers = ApplyAnswers::new(Arc::clone(&store), metrics.clone());
    messaging.subscribe(subscription(answers, config.limits.reply_batch_max));
    check_health(&runtime, &database);
    let api = build_api(&config, &runtime, &store, &metrics, changes)?;
    spawn_background(&config, &runtime, store, metrics, &database);
    let shutdown = runtime.shutdown.clone();
    runtime.tasks.spawn("watch-poll", api.watch.clone().poll());
    runtime.tasks.spawn("messaging", messaging.run(shutdown));
    let served = GrpcServer::new(&runtime)
        .descriptor(FILE_DESCRIPTOR_SET)
        .service(OrderServiceServer::new(api))
        .serve(runtime.listener)
        .await;
    let (tasks, shutdown) = (runtime.tasks, runtime.shutdown);
    // The pools close after the last user of them; the tasks end by the shutdown.
    shutdown.cancel();
    tasks.drained().await;
    database.close().await;
    served
}

/// Orders are accepted without the broker, so it is no condition of readiness; messaging has a
/// gauge of its own for it.
fn check_health(runtime: &Runtime, database: &Database) {
    let pinged = database.clone();
    runtime.health.check("database", move || {
        let database = pinged.clone();
        async move { database.ping().await.map_err(|error| error.to_string()) }
    });
}

fn build_api(
    config: &OrderConfig,
    runtime: &Runtime,
    store: &Arc<dyn OrderStore>,
    metrics: &Metrics,
    changes: Changes,
) -> anyhow::Result<OrderApi> {
    let inventory = &config.inventory;
    let channel = channel(inventory.url.as_str(), &ClientOptions::default())
        .context("inventory.url cannot be used")?;
    let limits = CacheLimits {
        ttl: Duration::from_millis(inventory.price_cache_ttl_ms),
        items_max: inventory.price_cache_items_max,
    };
    let deadline = Duration::from_millis(inventory.timeout_ms);
    let catalogue = Arc::new(InventoryCatalogue::new(channel, deadline, limits));
    let store = || Arc::clone(store);
    Ok(OrderApi {
        place: PlaceOrder::new(store(), catalogue, metrics.clone()),
        wish: ExpressWish::new(store(), metrics.clone()),
        read: ReadOrders::new(store()),
        watch: WatchOrder::new(
            store(),
            changes,
            config.limits.watchers_max,
            Duration::from_millis(config.limits.watch_poll_ms),
            runtime.shutdown.clone(),
        ),
    })
}

fn spawn_background(
    config: &OrderConfig,
    runtime: &Runtime,
    store: Arc<dyn OrderStore>,
    metrics: Metrics,
    database: &Database,
) {
    let deadlines = FireDeadlines::new(
        Arc::clone(&store),
        metrics.clone(),
        Duration::from_millis(config.saga.deadline_poll_ms),
        config.saga.deadline_batch_max,
    );
    let shutdown = || runtime.shutdown.clone();
    runtime.tasks.spawn("deadlines", deadlines.run(shutdown()));
    let poll = Duration::from_millis(config.limits.gauge_poll_ms);
    let gauges = count_live(store, metrics, poll, shutdown());
    runtime.tasks.spawn("gauges", gauges);
    let hours = config.limits.idempotency_retention_hours;
    let prune = prune_request_ids(database.clone(), hours, shutdown());
    runtime.tasks.spawn("request-id-janitor", prune);
}

/// Brings the schema up to date; a database that is not there yet is waited for.
async fn migrate(config: &OrderConfig, shutdown: &CancellationToken) -> anyhow::Result<()> {
    let extra = [
        (idempotency::SCHEMA, &idempotency::MIGRATOR),
        ("messaging", &tradepost_messaging::MIGRATOR),
    ];
    loop {
        match Database::migrate(&config.database, &MIGRATOR, &extra).await {
            Ok(()) => return Ok(()),
            Err(error) if error.is_retryable() => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(event = "order.database_awaited", error, "tried again");
            }
            Err(error) => return Err(error.into()),
        }
        tokio::select! {
            () = shutdown.cancelled() => anyhow::bail!("stopped before the database was there"),
            () = tokio::time::sleep(MIGRATE_RETRY) => {}
        }
    }
}

async fn count_live(
    store: Arc<dyn OrderStore>,
    metrics: Metrics,
    poll: Duration,
    shutdown: CancellationToken,
) {
    loop {
        if let Ok(counts) = store.live_by_state().await {
            metrics.live(&counts);
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(poll) => {}
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
            let pruned = idempotency::prune(tx.conn(), older_than).await?;
            tx.commit().await?;
            Ok::<_, tradepost_postgres::DbError>(pruned)
        };
        if let Err(error) = pruned.await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(event = "order.prune_failed", error, "tried again later");
        }
    }
}
