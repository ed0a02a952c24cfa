//! Outgoing webhooks: their calls, and what follows the history and sends.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tradepost_postgres::Database;
use tradepost_proto::notification::v1::webhook_service_server::WebhookServiceServer;
use tradepost_service::{GrpcServer, Runtime};

use crate::adapters::grpc::webhooks::{WEBHOOK_RULES, WebhookApi};
use crate::adapters::postgres::PgWebhooks;
use crate::adapters::webhooks::{Guard, HttpCourier, SystemLookup};
use crate::application::channels::{Deliver, FollowHistory, Pace, PruneDeliveries};
use crate::application::webhooks::SendWebhooks;
use crate::config::WebhooksConfig;
use crate::domain::webhook::UrlRules;
use crate::metrics::WebhookMetrics;

/// Adds the calls, and starts the workers unless the configuration says otherwise.
///
/// # Errors
/// Fails if the TLS library cannot be set up.
pub(super) fn serve(
    server: GrpcServer,
    config: &WebhooksConfig,
    database: Database,
    runtime: &Runtime,
) -> anyhow::Result<GrpcServer> {
    let rules = UrlRules {
        allow_http: config.allow_http,
        allow_private: config.allow_private,
    };
    let store = Arc::new(PgWebhooks::new(database));
    let api = WebhookApi::new(store.clone(), rules);
    if config.enabled {
        start(store, rules, config, runtime)?;
    }
    Ok(server.service(WebhookServiceServer::new(api), &WEBHOOK_RULES))
}

fn start(
    queue: Arc<PgWebhooks>,
    rules: UrlRules,
    config: &WebhooksConfig,
    runtime: &Runtime,
) -> anyhow::Result<()> {
    let metrics = WebhookMetrics::register(&runtime.registry);
    let (look, timeout) = (
        Duration::from_millis(config.look_ms),
        Duration::from_millis(config.timeout_ms),
    );
    let (tasks, shutdown) = (&runtime.tasks, &runtime.shutdown);
    let due = Arc::new(Notify::new());

    let pace = (look, config.follow_batch_max);
    let follow = FollowHistory::new(queue.clone(), metrics.made(), pace, due.clone());
    tasks.spawn("webhook-follower", follow.run(shutdown.clone()));

    let pace = Pace {
        look,
        in_flight_max: config.in_flight_max,
        each_in_flight_max: config.endpoint_in_flight_max,
        timeout,
    };
    let guard = Guard::new(Arc::new(SystemLookup), rules);
    let courier = Arc::new(HttpCourier::new(guard, timeout)?);
    let courier = Arc::new(SendWebhooks::new(courier, metrics, rules));
    let deliver = Deliver::new(queue.clone(), courier, pace, due);
    tasks.spawn(
        "webhook-sender",
        deliver.run(tasks.clone(), shutdown.clone()),
    );

    let prune = PruneDeliveries::new(queue, config.kept_days);
    tasks.spawn("webhook-upkeep", prune.run(shutdown.clone()));
    Ok(())
}
