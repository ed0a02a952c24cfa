//! Puts the parts together: the only file that names concrete adapters.

use std::sync::Arc;
use std::time::Duration;

use clap::Subcommand;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;
use tradepost_messaging::parked::ParkedCommand;
use tradepost_messaging::{Messaging, parked};
use tradepost_postgres::{Database, DbError, idempotency};
use tradepost_proto::FILE_DESCRIPTOR_SET;
use tradepost_proto::payment::v1::payment_service_server::PaymentServiceServer;
use tradepost_service::{Clock, CommonConfig, GrpcServer, Program, Runtime};

use crate::adapters::amqp;
use crate::adapters::grpc::PaymentApi;
use crate::adapters::postgres::{MIGRATOR, Pace, PgPayments};
use crate::adapters::stripe::hint::StripeWebhooks;
use crate::adapters::stripe::{Stripe, StripeOptions};
use crate::application::{CallProvider, Feed, Limits, Sweep, TakeWebhook};
use crate::config::PaymentConfig;
use crate::metrics::Metrics;

/// How often old request ids are deleted.
const PRUNE_INTERVAL: Duration = Duration::from_secs(600);
/// How often the database is tried while it cannot be reached at start.
const MIGRATE_RETRY: Duration = Duration::from_secs(1);

/// The payment service as a program.
pub struct PaymentProgram;

/// Commands for operators.
#[derive(Debug, Subcommand)]
pub enum Admin {
    /// Messages that could not be handled
    #[command(subcommand)]
    Parked(ParkedCommand),
}

impl Program for PaymentProgram {
    const NAME: &'static str = "payment";
    const ABOUT: &'static str = "Payments and their ledger";
    type Config = PaymentConfig;
    type Admin = Admin;

    fn common(config: &PaymentConfig) -> &CommonConfig {
        &config.server
    }

    async fn serve(config: PaymentConfig, runtime: Runtime) -> anyhow::Result<()> {
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
        let pace = pace(&config);
        let store = Arc::new(PgPayments::new(database.clone(), messaging.outbox(), pace));
        let feed = spawn_background(&config, &runtime, &store, &metrics, &database)?;
        let batch_max = config.limits.command_batch_max;
        messaging.subscribe(amqp::subscription(store.clone(), feed.clone(), batch_max));
        let shutdown = runtime.shutdown.clone();
        runtime.tasks.spawn("messaging", messaging.run(shutdown));
        check_health(&runtime, &database);
        let reader = Arc::new(StripeWebhooks::new(secrets(&config), Clock::system()));
        let webhooks = TakeWebhook::new(store.clone(), reader, feed.clone(), metrics);
        let api = PaymentApi::new(store, feed, webhooks);
        let served = GrpcServer::new(&runtime)
            .descriptor(FILE_DESCRIPTOR_SET)
            .service(PaymentServiceServer::new(api))
            .serve(runtime.listener)
            .await;
        let (tasks, shutdown) = (runtime.tasks, runtime.shutdown);
        // The pools close after the last user of them; the tasks end by the shutdown.
        shutdown.cancel();
        tasks.drained().await;
        database.close().await;
        served
    }

    async fn admin(config: PaymentConfig, command: Admin) -> anyhow::Result<()> {
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

fn pace(config: &PaymentConfig) -> Pace {
    Pace {
        lease: Duration::from_millis(config.limits.lease_ms),
        backoff_min: Duration::from_millis(config.limits.backoff_min_ms),
        backoff_max: Duration::from_millis(config.limits.backoff_max_ms),
    }
}

fn secrets(config: &PaymentConfig) -> Vec<SecretString> {
    let provider = &config.provider;
    std::iter::once(provider.webhook_secret.clone())
        .chain(provider.webhook_secret_previous.clone())
        .collect()
}

fn stripe(config: &PaymentConfig) -> anyhow::Result<Stripe> {
    let provider = &config.provider;
    Stripe::new(StripeOptions {
        base_url: provider.base_url.clone(),
        secret_key: provider.secret_key.clone(),
        connect_timeout: Duration::from_millis(provider.connect_timeout_ms),
        timeout: Duration::from_millis(provider.timeout_ms),
    })
}

/// Starts everything that is not asked for from outside; returns where due calls go in.
fn spawn_background(
    config: &PaymentConfig,
    runtime: &Runtime,
    store: &Arc<PgPayments>,
    metrics: &Metrics,
    database: &Database,
) -> anyhow::Result<Feed> {
    let limits = &config.limits;
    let calls = Limits {
        in_flight_max: limits.calls_in_flight_max,
        waiting_max: limits.calls_waiting_max,
        record_batch_max: limits.record_batch_max,
        absent_asks_min: limits.absent_asks_min,
    };
    let provider = Arc::new(stripe(config)?);
    let (caller, feed) = CallProvider::new(store.clone(), provider, metrics.clone(), calls);
    let (tasks, shutdown) = (&runtime.tasks, &runtime.shutdown);
    tasks.spawn("provider", caller.run(tasks.clone(), shutdown.clone()));
    let poll = Duration::from_millis(limits.sweep_poll_ms);
    let (sweep_feed, batch_max) = (feed.clone(), limits.sweep_batch_max);
    let sweep = Sweep::new(store.clone(), sweep_feed, metrics.clone(), poll, batch_max);
    tasks.spawn("sweep", sweep.run(shutdown.clone()));
    let hours = limits.idempotency_retention_hours;
    let prune = prune_request_ids(database.clone(), hours, shutdown.clone());
    tasks.spawn("request-id-janitor", prune);
    Ok(feed)
}

/// Brings the schema up to date; a database that is not there yet is waited for.
async fn migrate(config: &PaymentConfig, shutdown: &CancellationToken) -> anyhow::Result<()> {
    let extra = [
        (idempotency::SCHEMA, &idempotency::MIGRATOR),
        ("messaging", &tradepost_messaging::MIGRATOR),
    ];
    loop {
        match Database::migrate(&config.database, &MIGRATOR, &extra).await {
            Ok(()) => return Ok(()),
            Err(error) if error.is_retryable() => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(event = "payment.database_awaited", error, "tried again");
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
            tracing::warn!(event = "payment.prune_failed", error, "tried again later");
        }
    }
}
