//! The real path: commands over the broker, answers back, and duplicates that change nothing.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use prost::Message as _;
use tokio_util::sync::CancellationToken;
use tradepost_messaging::{
    Binding, Delivery, HandleError, Handler, Message, Messaging, MessagingConfig, Outbox, Outgoing,
    Subscription,
};
use tradepost_postgres::Database;
use tradepost_proto::common::v1::PostalAddress;
use tradepost_proto::routing::Command;
use tradepost_proto::shipping::command::v1::{BookShipment, VoidShipment};
use tradepost_proto::shipping::event::v1::ShipmentBooked;
use tradepost_shipping::adapters::amqp::subscription;
use tradepost_telemetry::Registry;
use tradepost_testkit::{Broker, TestDatabase, eventually};
use tradepost_types::{OrderId, TenantId};

use crate::support::{Depot, NEVER, fresh_database, shipment_of};

const SOON: Duration = Duration::from_secs(60);

/// Keeps all that it hears.
struct Ear {
    heard: Arc<Mutex<Vec<Message>>>,
}

#[async_trait]
impl Handler for Ear {
    async fn handle(&self, batch: &[Delivery]) -> Result<(), HandleError> {
        let messages = batch.iter().map(|delivery| delivery.message.clone());
        self.heard.lock().unwrap().extend(messages);
        Ok(())
    }
}

/// Shipping and a listener, each with its own database, on one broker.
struct Town {
    depot: Arc<Depot>,
    _listeners: TestDatabase,
    asker: Database,
    outbox: Outbox,
    heard: Arc<Mutex<Vec<Message>>>,
    stop: CancellationToken,
}

impl Town {
    async fn build() -> Self {
        let (depot, listeners) = (Depot::open(NEVER).await, fresh_database().await);
        let broker = tradepost_testkit::broker();
        let stop = CancellationToken::new();

        let mut shipping = messaging(&broker, depot.database.clone(), "shipping");
        shipping.subscribe(subscription(depot.another_carry_out(), 16));
        tokio::spawn(shipping.run(stop.clone()));
        depot.start_clock(stop.clone());

        let asker = Database::connect_lazy(&listeners.config(), "order").unwrap();
        let mut order = messaging(&broker, asker.clone(), "order");
        let heard = Arc::new(Mutex::new(Vec::new()));
        order.subscribe(Subscription {
            queue: "order.replies",
            bindings: vec![Binding::event("shipping.*")],
            batch_max: 16,
            handler: Arc::new(Ear {
                heard: Arc::clone(&heard),
            }),
        });
        let outbox = order.outbox();
        tokio::spawn(order.run(stop.clone()));
        Self {
            depot: Arc::new(depot),
            _listeners: listeners,
            asker,
            outbox,
            heard,
            stop,
        }
    }

    async fn send(&self, commands: &[Outgoing]) {
        let mut tx = self.asker.system_tx().await.unwrap();
        self.outbox.append(tx.conn(), commands).await.unwrap();
        tx.commit().await.unwrap();
        self.outbox.wake();
    }

    /// The kinds of what was heard of an order, once there is as much as that.
    async fn hears(&self, order: OrderId, count: usize) -> Vec<Message> {
        eventually("the answers come", SOON, async || {
            let heard = self.heard.lock().unwrap();
            let of_order = |message: &&Message| message.correlation == order.as_uuid();
            let heard: Vec<Message> = heard.iter().filter(of_order).cloned().collect();
            (heard.len() >= count).then_some(heard)
        })
        .await
    }
}

impl Drop for Town {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn messaging(broker: &Broker, database: Database, service: &'static str) -> Messaging {
    let config = MessagingConfig {
        url: broker.url(),
        namespace: Some(broker.namespace().to_owned()),
        ..MessagingConfig::default()
    };
    Registry::new(service).with(|registry| Messaging::new(config, database, service, registry))
}

fn book(tenant: TenantId, order: OrderId, recipient: &str) -> Outgoing {
    let body = BookShipment {
        shipment_id: shipment_of(order).to_string(),
        order_id: order.to_string(),
        destination: Some(PostalAddress {
            recipient: recipient.to_owned(),
            lines: vec!["1 High Street".into()],
            city: "Leeds".into(),
            region: String::new(),
            postal_code: "LS1 1AA".into(),
            country_code: "GB".into(),
        }),
        weight_grams: 1_500,
        currency_code: "GBP".into(),
    };
    Outgoing::command(BookShipment::SERVICE, BookShipment::NAME, tenant, &body)
        .correlated(order.as_uuid())
}

fn void(tenant: TenantId, order: OrderId) -> Outgoing {
    let body = VoidShipment {
        shipment_id: shipment_of(order).to_string(),
        order_id: order.to_string(),
    };
    Outgoing::command(VoidShipment::SERVICE, VoidShipment::NAME, tenant, &body)
        .correlated(order.as_uuid())
}

#[tokio::test(flavor = "multi_thread")]
async fn e04_commands_over_the_broker_are_answered_once_however_often_they_come() {
    let town = Town::build().await;
    let (tenant, order) = (town.depot.tenant, OrderId::new());
    let (book, void) = (book(tenant, order, "A. Customer"), void(tenant, order));

    town.send(&[book.clone(), book.clone()]).await;
    let booked = town.hears(order, 1).await.remove(0);
    town.send(&[book.clone(), void.clone(), void.clone(), book.clone()])
        .await;
    town.hears(order, 2).await;
    // What is sent last is answered last: by then every duplicate was met.
    let other = OrderId::new();
    town.send(&[book, void, self::void(tenant, other)]).await;
    town.hears(other, 1).await;

    let body: ShipmentBooked = booked.decode().unwrap();
    assert_eq!(body.order_id, order.to_string());
    assert!(!body.tracking_number.is_empty());
    let kinds: Vec<String> = town
        .hears(order, 2)
        .await
        .into_iter()
        .map(|message| message.kind)
        .collect();
    let event = "tradepost.shipping.event.v1";
    let expected = [
        format!("{event}.ShipmentBooked"),
        format!("{event}.ShipmentVoided"),
    ];
    assert_eq!(kinds, expected);
    let shipment = town.depot.get(order).await;
    assert_eq!(shipment.tracking_number, body.tracking_number);
}

#[tokio::test(flavor = "multi_thread")]
async fn e18_a_poison_booking_is_parked_and_its_neighbours_are_booked() {
    let town = Town::build().await;
    let tenant = town.depot.tenant;
    let orders: Vec<OrderId> = (0..5).map(|_| OrderId::new()).collect();
    let mut commands: Vec<_> = orders
        .iter()
        .map(|&order| book(tenant, order, "A"))
        .collect();
    let poison = book(tenant, OrderId::new(), "");
    commands.insert(2, poison.clone());

    town.send(&commands).await;
    for &order in &orders {
        town.hears(order, 1).await;
    }

    let database = &town.depot.database;
    let parked: Vec<Vec<u8>> = eventually("the poison is parked", SOON, async || {
        let mut tx = database.system_tx().await.unwrap();
        let query = sqlx::query_scalar("select body from messaging.parked");
        let parked: Vec<Vec<u8>> = query.fetch_all(tx.conn()).await.unwrap();
        tx.commit().await.unwrap();
        (!parked.is_empty()).then_some(parked)
    })
    .await;
    assert_eq!(parked.len(), 1);
    let body = BookShipment::decode(parked[0].as_slice()).unwrap();
    assert_eq!(body, poison.message.decode().unwrap());
}
