//! The real path: a command over the broker, an answer back.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use tradepost_messaging::{
    Binding, Delivery, HandleError, Handler, Message, Outbox, Outgoing, Subscription,
};
use tradepost_postgres::Database;
use tradepost_proto::payment::command::v1 as command;
use tradepost_proto::payment::event::v1::{PaymentAuthorized, PaymentCaptured, PaymentVoided};
use tradepost_proto::routing::Command;
use tradepost_telemetry::Registry;
use tradepost_testkit::{Broker, TestDatabase, broker, eventually};

use crate::support::{PATIENCE, Sale, Till, connect, fresh_database, gbp, messaging};

/// Keeps what it hears, as the order service would, duplicates included.
#[derive(Clone, Default)]
struct Ear(Arc<Mutex<Vec<Message>>>);

#[async_trait]
impl Handler for Ear {
    async fn handle(&self, batch: &[Delivery]) -> Result<(), HandleError> {
        let messages = batch.iter().map(|delivery| delivery.message.clone());
        self.0.lock().unwrap().extend(messages);
        Ok(())
    }
}

/// Whoever asks and listens, with a database of its own.
struct Asker {
    _database: TestDatabase,
    database: Database,
    outbox: Outbox,
    ear: Ear,
    stop: CancellationToken,
}

impl Asker {
    async fn join(broker: &Broker) -> Self {
        let test_database = fresh_database().await;
        let database = connect(&test_database);
        let registry = Registry::new("order");
        let mut messaging = messaging(Some(broker), &database, "order", &registry);
        let ear = Ear::default();
        messaging.subscribe(Subscription {
            queue: "order.replies",
            bindings: vec![Binding::event("payment.*")],
            batch_max: 16,
            handler: Arc::new(ear.clone()),
        });
        let (outbox, stop) = (messaging.outbox(), CancellationToken::new());
        tokio::spawn(messaging.run(stop.clone()));
        Self {
            _database: test_database,
            database,
            outbox,
            ear,
            stop,
        }
    }

    async fn send(&self, commands: &[Outgoing]) {
        let mut tx = self.database.system_tx().await.unwrap();
        self.outbox.append(tx.conn(), commands).await.unwrap();
        tx.commit().await.unwrap();
        self.outbox.wake();
    }

    /// Waits for an answer in the story of the order.
    async fn answer<E: prost::Message + prost::Name + Default>(&self, sale: Sale) -> (Message, E) {
        let message = eventually(&E::full_name(), PATIENCE, async || {
            let heard = self.ear.0.lock().unwrap();
            let ours = |message: &&Message| {
                message.correlation == sale.order.as_uuid() && message.kind == E::full_name()
            };
            heard.iter().find(ours).cloned()
        })
        .await;
        let body = E::decode(message.body.clone()).unwrap();
        (message, body)
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn ask<C: Command + prost::Message>(till: &Till, sale: Sale, body: &C) -> Outgoing {
    Outgoing::command(C::SERVICE, <C as Command>::NAME, till.tenant, body)
        .correlated(sale.order.as_uuid())
}

async fn parked(till: &Till) -> Vec<String> {
    let mut tx = till.database.system_tx().await.unwrap();
    let reasons = sqlx::query_scalar("select reason from messaging.parked");
    let reasons = reasons.fetch_all(tx.conn()).await.unwrap();
    tx.commit().await.unwrap();
    reasons
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_over_the_broker_is_answered_in_the_story_of_its_order() {
    let broker = broker();
    let (till, asker) = (Till::connected(&broker).await, Asker::join(&broker).await);
    let sale = Sale::new();
    let authorize = ask(&till, sale, &sale.authorize(1_000, "pm_card_visa"));
    let capture = ask(&till, sale, &sale.capture(None));
    let (asked, then) = (authorize.message.id, capture.message.id);

    asker.send(&[authorize]).await;
    let (held, authorized) = asker.answer::<PaymentAuthorized>(sale).await;
    asker.send(&[capture]).await;
    let (taken, captured) = asker.answer::<PaymentCaptured>(sale).await;

    assert_eq!(authorized.payment_id, sale.payment.to_string());
    assert_eq!(authorized.order_id, sale.order.to_string());
    assert_eq!(captured.amount, Some(gbp(1_000)));
    assert_eq!((held.tenant, held.causation), (till.tenant, Some(asked)));
    assert_eq!((taken.tenant, taken.causation), (till.tenant, Some(then)));
    assert_eq!(till.witnessed(sale).captured.count, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn e04_a_message_that_comes_over_and_over_has_one_effect_and_one_answer() {
    let broker = broker();
    let (till, asker) = (Till::connected(&broker).await, Asker::join(&broker).await);
    let sale = Sale::new();
    let authorize = ask(&till, sale, &sale.authorize(1_000, "pm_card_visa"));
    let last = Sale::new();

    for _ in 0..5 {
        asker.send(&[authorize.clone(), authorize.clone()]).await;
    }
    asker.answer::<PaymentAuthorized>(sale).await;
    asker.send(&[authorize.clone(), authorize]).await;
    // One queue, one order: with this one all the others were handled.
    let void = ask(&till, last, &last.void());
    asker.send(&[void]).await;
    asker.answer::<PaymentVoided>(last).await;

    let seen = till.witnessed(sale);
    assert_eq!((seen.intents.len(), seen.authorised.count), (1, 1));
    let heard = asker.ear.0.lock().unwrap().clone();
    let about = |message: &&Message| message.subject == sale.payment.to_string();
    assert_eq!(heard.iter().filter(about).count(), 1);
    assert_eq!(till.entered(sale).await, ["hold"]);
    assert_eq!(parked(&till).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn e18_a_poisonous_command_is_parked_and_its_neighbours_are_carried_out() {
    let broker = broker();
    let (till, asker) = (Till::connected(&broker).await, Asker::join(&broker).await);
    let sales = [Sale::new(), Sale::new(), Sale::new()];
    let mut poison: command::AuthorizePayment = sales[1].authorize(1_000, "pm_card_visa");
    poison.order_id = "order_1".to_owned();
    let commands = [
        ask(&till, sales[0], &sales[0].authorize(1_000, "pm_card_visa")),
        ask(&till, sales[1], &poison),
        ask(&till, sales[2], &sales[2].authorize(1_000, "pm_card_visa")),
    ];

    asker.send(&commands).await;

    asker.answer::<PaymentAuthorized>(sales[0]).await;
    asker.answer::<PaymentAuthorized>(sales[2]).await;
    let reasons = eventually("it is parked", PATIENCE, async || {
        Some(parked(&till).await).filter(|reasons| !reasons.is_empty())
    })
    .await;
    assert_eq!(reasons, ["invalid_command"]);
    assert!(till.payment(sales[1]).await.is_none());
}
