//! Puts the parts together: the only file that names concrete adapters.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tradepost_backend::{Backend, BackendCommand, Settings};
use tradepost_proto::FILE_DESCRIPTOR_SET;
use tradepost_proto::payment::v1::payment_service_server::PaymentServiceServer;
use tradepost_service::{Clock, CommonConfig, GrpcServer, Program, Runtime};

use crate::adapters::amqp;
use crate::adapters::grpc::{PaymentApi, RULES};
use crate::adapters::postgres::{MIGRATOR, Pace, PgPayments};
use crate::adapters::stripe::hint::StripeWebhooks;
use crate::adapters::stripe::{Stripe, StripeOptions};
use crate::application::{CallProvider, Feed, Limits, Sweep, TakeWebhook};
use crate::config::PaymentConfig;
use crate::metrics::Metrics;

/// The payment service as a program.
pub struct PaymentProgram;

impl Program for PaymentProgram {
    const NAME: &'static str = "payment";
    const ABOUT: &'static str = "Payments and their ledger";
    type Config = PaymentConfig;
    type Admin = BackendCommand;

    fn common(config: &PaymentConfig) -> &CommonConfig {
        &config.server
    }

    async fn serve(config: PaymentConfig, runtime: Runtime) -> anyhow::Result<()> {
        let settings = Settings {
            database: config.database.clone(),
            messaging: config.messaging.clone(),
            schema: &MIGRATOR,
            request_ids_kept_hours: config.limits.idempotency_retention_hours,
        };
        let mut backend = Backend::open(Self::NAME, settings, &runtime).await?;
        let metrics = Metrics::register(&runtime.registry);
        let pace = pace(&config);
        let store = Arc::new(PgPayments::new(backend.database(), backend.outbox(), pace));
        let feed = call_provider(&config, &runtime, &store, &metrics)?;
        let batch_max = config.limits.command_batch_max;
        backend.subscribe(amqp::subscription(store.clone(), feed.clone(), batch_max));
        let reader = Arc::new(StripeWebhooks::new(secrets(&config), Clock::system()));
        let webhooks = TakeWebhook::new(store.clone(), reader, feed.clone(), metrics);
        let api = PaymentApi::new(store, feed, webhooks);
        let server = GrpcServer::new(&runtime)
            .descriptor(FILE_DESCRIPTOR_SET)
            .service(PaymentServiceServer::new(api), &RULES);
        backend.serve(runtime, server).await
    }

    async fn admin(config: PaymentConfig, command: BackendCommand) -> anyhow::Result<()> {
        tradepost_backend::run(command, Self::NAME, &config.database).await
    }
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
fn call_provider(
    config: &PaymentConfig,
    runtime: &Runtime,
    store: &Arc<PgPayments>,
    metrics: &Metrics,
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
    Ok(feed)
}
