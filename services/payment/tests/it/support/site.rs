//! What a till stands on: its database, its broker, its provider.

use std::sync::Arc;
use std::time::Duration;

use tradepost_messaging::{Messaging, MessagingConfig};
use tradepost_payment::adapters::postgres::MIGRATOR;
use tradepost_payment::adapters::stripe::{Stripe, StripeOptions};
use tradepost_postgres::{Database, idempotency};
use tradepost_provider_sim::{Config, Running, Simulator};
use tradepost_telemetry::Registry;
use tradepost_testkit::{Broker, TestDatabase};
use tradepost_types::TenantId;

use super::{PATIENCE, SECRET_KEY};

pub(crate) async fn fresh_database() -> TestDatabase {
    let extra = [
        (idempotency::SCHEMA, &idempotency::MIGRATOR),
        ("messaging", &tradepost_messaging::MIGRATOR),
    ];
    tradepost_testkit::database(&MIGRATOR, &extra).await
}

/// The service's way to its database.
pub(crate) fn connect(database: &TestDatabase) -> Database {
    Database::connect_lazy(&database.config(), "payment-test").unwrap()
}

/// What a till stands on.
pub(super) struct Site {
    pub(super) database: TestDatabase,
    pub(super) sim: Arc<Running>,
    pub(super) tenant: TenantId,
    pub(super) broker: Option<Broker>,
    /// How long a call of the provider may take.
    pub(super) patience: Duration,
}

impl Site {
    pub(super) async fn new() -> Self {
        Self {
            patience: PATIENCE,
            database: fresh_database().await,
            sim: Arc::new(Simulator::start(Config::default()).await.unwrap()),
            tenant: TenantId::new(),
            broker: None,
        }
    }
}

/// The messages of a service; without a broker they stay in its outbox.
pub(crate) fn messaging(
    broker: Option<&Broker>,
    database: &Database,
    service: &'static str,
    registry: &Registry,
) -> Messaging {
    let mut config = MessagingConfig::default();
    if let Some(broker) = broker {
        config.url = broker.url();
        config.namespace = Some(broker.namespace().to_owned());
    }
    registry.with(|registry| Messaging::new(config, database.clone(), service, registry))
}

/// The provider as the service sees it.
pub(crate) fn stripe(sim: &Running) -> Stripe {
    stripe_at(&sim.url(), PATIENCE)
}

/// The same somewhere, where a call may take so long.
pub(crate) fn stripe_at(url: &str, timeout: Duration) -> Stripe {
    let options = StripeOptions {
        base_url: url.parse().unwrap(),
        secret_key: SECRET_KEY.into(),
        connect_timeout: timeout,
        timeout,
    };
    Stripe::new(options).unwrap()
}
