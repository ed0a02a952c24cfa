//! The real path: a command over the broker, an answer back.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use tradepost_inventory::adapters::amqp::subscription;
use tradepost_inventory::adapters::postgres::PgInventory;
use tradepost_messaging::{
    Binding, Delivery, HandleError, Handler, Message, Messaging, MessagingConfig, Outbox, Outgoing,
    Subscription, inbox,
};
use tradepost_postgres::Database;
use tradepost_proto::inventory::command::v1::{ReserveLine, ReserveStock};
use tradepost_proto::inventory::event::v1::{ReservationRejected, StockReserved};
use tradepost_proto::routing::Command;
use tradepost_telemetry::Registry;
use tradepost_testkit::{Broker, TestDatabase, eventually};
use tradepost_types::{OrderId, ReservationId, TenantId};

use crate::support::fresh_database;

/// Keeps what it hears, as the order service would.
struct Ear {
    database: Database,
    heard: Arc<Mutex<Vec<Message>>>,
}

#[async_trait]
impl Handler for Ear {
    async fn handle(&self, batch: &[Delivery]) -> Result<(), HandleError> {
        let messages: Vec<&Message> = batch.iter().map(|delivery| &delivery.message).collect();
        let mut tx = self.database.system_tx().await?;
        let fresh = inbox::claim(tx.conn(), "order.replies", &messages).await?;
        tx.commit().await?;
        let fresh = messages
            .into_iter()
            .filter(|message| fresh.contains(&message.id))
            .cloned();
        self.heard.lock().unwrap().extend(fresh);
        Ok(())
    }
}

/// Inventory and a listener, each with its own database, on one broker.
struct Town {
    _databases: [TestDatabase; 2],
    asker: Database,
    outbox: Outbox,
    heard: Arc<Mutex<Vec<Message>>>,
    stop: CancellationToken,
}

impl Town {
    async fn build() -> Self {
        let databases = [fresh_database().await, fresh_database().await];
        let broker = tradepost_testkit::broker();
        let stop = CancellationToken::new();

        let inventory = Database::connect_lazy(&databases[0].config(), "inventory").unwrap();
        let registry = Registry::new("inventory");
        let mut messaging = messaging(&broker, inventory.clone(), "inventory", &registry);
        let store = Arc::new(PgInventory::new(inventory, messaging.outbox()));
        let metrics = tradepost_inventory::metrics::Metrics::register(&registry);
        messaging.subscribe(subscription(store, metrics, 16));
        tokio::spawn(messaging.run(stop.clone()));

        let asker = Database::connect_lazy(&databases[1].config(), "order").unwrap();
        let registry = Registry::new("order");
        let mut messaging = messaging_of(&broker, &asker, &registry);
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ear = Ear {
            database: asker.clone(),
            heard: Arc::clone(&heard),
        };
        messaging.subscribe(Subscription {
            queue: "order.replies",
            bindings: vec![Binding::event("inventory.*")],
            batch_max: 16,
            handler: Arc::new(ear),
        });
        let outbox = messaging.outbox();
        tokio::spawn(messaging.run(stop.clone()));
        Self {
            _databases: databases,
            asker,
            outbox,
            heard,
            stop,
        }
    }

    async fn send(&self, command: Outgoing) {
        let mut tx = self.asker.system_tx().await.unwrap();
        self.outbox.append(tx.conn(), &[command]).await.unwrap();
        tx.commit().await.unwrap();
        self.outbox.wake();
    }

    async fn answer(&self, order: OrderId) -> Message {
        eventually("the answer comes", Duration::from_secs(20), async || {
            let heard = self.heard.lock().unwrap();
            heard
                .iter()
                .find(|message| message.correlation == order.as_uuid())
                .cloned()
        })
        .await
    }
}

impl Drop for Town {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn messaging_of(broker: &Broker, database: &Database, registry: &Registry) -> Messaging {
    messaging(broker, database.clone(), "order", registry)
}

fn messaging(
    broker: &Broker,
    database: Database,
    service: &'static str,
    registry: &Registry,
) -> Messaging {
    let config = MessagingConfig {
        url: broker.url(),
        namespace: Some(broker.namespace().to_owned()),
        ..MessagingConfig::default()
    };
    registry.with(|registry| Messaging::new(config, database, service, registry))
}

fn command(tenant: TenantId, order: OrderId, sku: &str) -> Outgoing {
    let body = ReserveStock {
        reservation_id: ReservationId::derive(order.as_uuid(), "reservation/1").to_string(),
        order_id: order.to_string(),
        lines: vec![ReserveLine {
            sku: sku.to_owned(),
            quantity: 2,
        }],
        hold_seconds: 900,
    };
    Outgoing::command(ReserveStock::SERVICE, ReserveStock::NAME, tenant, &body)
        .correlated(order.as_uuid())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_over_the_broker_is_answered_in_the_story_of_its_order() {
    let town = Town::build().await;
    let (tenant, order) = (TenantId::new(), OrderId::new());
    let command = command(tenant, order, "NOBODY KNOWS");
    let asked = command.message.id;

    town.send(command).await;
    let answer = town.answer(order).await;

    let rejected: ReservationRejected = answer.decode().unwrap();
    assert_eq!(rejected.reason, "UNKNOWN_SKU");
    assert_eq!(rejected.order_id, order.to_string());
    assert_eq!((answer.tenant, answer.causation), (tenant, Some(asked)));
    assert!(!answer.is::<StockReserved>());
}
