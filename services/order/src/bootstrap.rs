//! Puts the parts together: the only file that names concrete adapters.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio_util::sync::CancellationToken;
use tradepost_backend::{Backend, BackendCommand, Settings};
use tradepost_proto::FILE_DESCRIPTOR_SET;
use tradepost_proto::order::v1::order_service_server::OrderServiceServer;
use tradepost_service::client::{ClientOptions, channel};
use tradepost_service::{CommonConfig, GrpcServer, Program, Runtime};

use crate::adapters::amqp::subscription;
use crate::adapters::grpc::{OrderApi, RULES};
use crate::adapters::inventory::{CacheLimits, InventoryCatalogue};
use crate::adapters::postgres::{MIGRATOR, PgOrders};
use crate::application::{
    ApplyAnswers, Changes, ExpressWish, FireDeadlines, PlaceOrder, ReadOrders, WatchOrder,
};
use crate::config::OrderConfig;
use crate::domain::saga::Definitions;
use crate::metrics::Metrics;
use crate::ports::OrderStore;

/// The order service as a program.
pub struct OrderProgram;

impl Program for OrderProgram {
    const NAME: &'static str = "order";
    const ABOUT: &'static str = "Orders and the saga that drives them";
    type Config = OrderConfig;
    type Admin = BackendCommand;

    fn common(config: &OrderConfig) -> &CommonConfig {
        &config.server
    }

    async fn serve(config: OrderConfig, runtime: Runtime) -> anyhow::Result<()> {
        let definitions = Definitions::new(config.saga.policy());
        serve(config, runtime, definitions).await
    }

    async fn admin(config: OrderConfig, command: BackendCommand) -> anyhow::Result<()> {
        tradepost_backend::run(command, Self::NAME, &config.database).await
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
    let settings = Settings {
        database: config.database.clone(),
        messaging: config.messaging.clone(),
        schema: &MIGRATOR,
        request_ids_kept_hours: config.limits.idempotency_retention_hours,
    };
    let mut backend = Backend::open(OrderProgram::NAME, settings, &runtime).await?;
    let metrics = Metrics::register(&runtime.registry);
    let changes = Changes::default();
    let store = PgOrders::new(
        backend.database(),
        backend.outbox(),
        Arc::new(definitions),
        changes.clone(),
    );
    let store: Arc<dyn OrderStore> = Arc::new(store);
    let answers = ApplyAnswers::new(Arc::clone(&store), metrics.clone());
    backend.subscribe(subscription(answers, config.limits.reply_batch_max));
    let api = build_api(&config, &runtime, &store, &metrics, changes)?;
    spawn_background(&config, &runtime, store, metrics);
    let poll = api.watch.clone().poll();
    runtime.tasks.spawn("watch-poll", poll);
    let server = GrpcServer::new(&runtime)
        .descriptor(FILE_DESCRIPTOR_SET)
        .service(OrderServiceServer::new(api), &RULES);
    backend.serve(runtime, server).await
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
    let catalogue = Arc::new(InventoryCatalogue::new(
        channel,
        runtime.identity()?,
        deadline,
        limits,
    ));
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
