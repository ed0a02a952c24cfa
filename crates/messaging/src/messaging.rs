//! The parts put together: what a service holds and runs.

use std::sync::Arc;

use prometheus_client::registry::Registry;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tradepost_postgres::Database;

use crate::config::MessagingConfig;
use crate::consumer::Consumers;
use crate::handler::Subscription;
use crate::health::Health;
use crate::janitor::Janitor;
use crate::metrics::Metrics;
use crate::outbox::Outbox;
use crate::relay::Relay;
use crate::retries::Dispatcher;

/// Messaging of one service: built once, then run until shutdown.
pub struct Messaging {
    config: Arc<MessagingConfig>,
    database: Database,
    service: String,
    metrics: Metrics,
    wake: Arc<Notify>,
    health: Health,
    subscriptions: Vec<Subscription>,
}

impl Messaging {
    /// Connects to nothing yet. The instruments go into `registry`, whose prefix completes their
    /// names.
    #[must_use]
    pub fn new(
        config: MessagingConfig,
        database: Database,
        service: &str,
        registry: &mut Registry,
    ) -> Self {
        let metrics = Metrics::register(registry);
        Self {
            config: Arc::new(config),
            database,
            service: service.to_owned(),
            health: Health::new(metrics.clone()),
            metrics,
            wake: Arc::new(Notify::new()),
            subscriptions: Vec::new(),
        }
    }

    /// The writer's handle; clones share one relay.
    #[must_use]
    pub fn outbox(&self) -> Outbox {
        Outbox::new(Arc::clone(&self.wake))
    }

    /// Adds a queue and its handler; call it before [`Messaging::run`].
    pub fn subscribe(&mut self, subscription: Subscription) {
        self.subscriptions.push(subscription);
    }

    /// True while both connections to the broker are up.
    #[must_use]
    pub fn connected(&self) -> watch::Receiver<bool> {
        self.health.watch()
    }

    /// Relay, consumers, retry dispatcher, dead-letter intake and housekeeping, until the token is
    /// cancelled. Consumers stop first and finish the batch in hand; what that batch wrote to the
    /// outbox still leaves.
    pub async fn run(self, shutdown: CancellationToken) {
        let relay_stop = CancellationToken::new();
        let relay = Relay {
            config: Arc::clone(&self.config),
            database: self.database.clone(),
            metrics: self.metrics.clone(),
            wake: self.wake,
            health: self.health.clone(),
            service: self.service.clone(),
        };
        let dispatcher = Dispatcher::new(
            Arc::clone(&self.config),
            self.database.clone(),
            self.metrics.clone(),
            &self.subscriptions,
        );
        let janitor = Janitor {
            config: Arc::clone(&self.config),
            database: self.database.clone(),
            metrics: self.metrics.clone(),
        };
        let consumers = Consumers {
            config: self.config,
            database: self.database,
            metrics: self.metrics,
            health: self.health,
            service: self.service,
            subscriptions: self.subscriptions,
        };
        let intake = async {
            tokio::join!(
                consumers.run(&shutdown),
                dispatcher.run(&shutdown),
                janitor.run(&shutdown),
            );
            relay_stop.cancel();
        };
        tokio::join!(relay.run(&relay_stop), intake);
    }
}
