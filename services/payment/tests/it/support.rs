//! A till under test: its database, its provider, what it was asked and what it said.

mod books;
mod hook;
mod receiver;
mod sale;
mod site;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};
use tradepost_messaging::{Delivery, HandleError, Handler, Message, Outgoing};
use tradepost_payment::adapters::amqp::subscription;
use tradepost_payment::adapters::grpc::PaymentApi;
use tradepost_payment::adapters::postgres::{Pace, PgPayments};
use tradepost_payment::adapters::stripe::hint::StripeWebhooks;
use tradepost_payment::application::{CallProvider, Limits, Sweep, TakeWebhook};
use tradepost_payment::metrics::Metrics;
use tradepost_postgres::Database;
use tradepost_proto::payment::v1 as pb;
use tradepost_proto::payment::v1::payment_service_server::PaymentService;
use tradepost_proto::routing::Command;
use tradepost_provider_sim::witness::PaymentSums;
use tradepost_provider_sim::{Fault, Op, Rule, Running, WebhookTarget};
use tradepost_service::auth::Caller;
use tradepost_service::error::ErrorDetails;
use tradepost_service::{Clock, Tasks};
use tradepost_telemetry::Registry;
use tradepost_testkit::{Broker, TestDatabase, eventually};
use tradepost_types::TenantId;

pub(crate) use self::hook::{Hook, signed};
use self::receiver::receiver;
pub(crate) use self::sale::{Sale, gbp};
use self::site::Site;
pub(crate) use self::site::{connect, fresh_database, messaging, stripe, stripe_at};

pub(crate) const SECRET_KEY: &str = "sk_test_sim";
pub(crate) const WEBHOOK_SECRET: &str = "whsec_new";
pub(crate) const WEBHOOK_SECRET_PREVIOUS: &str = "whsec_old";
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// How long a provider hangs, if it does.
pub(crate) const HANG_MS: u64 = 2_500;

pub(crate) struct Till {
    pub(crate) test_database: TestDatabase,
    pub(crate) database: Database,
    pub(crate) sim: Arc<Running>,
    pub(crate) api: Arc<PaymentApi>,
    pub(crate) tenant: TenantId,
    handler: Arc<dyn Handler>,
    stop: CancellationToken,
}

impl Drop for Till {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Whether the till's workers run.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Workers {
    /// Calls are made.
    On,
    /// Calls are taken and lost, as by a process that dies.
    Dead,
}

impl Till {
    pub(crate) async fn open() -> Self {
        Self::with(Workers::On).await
    }

    pub(crate) async fn with(workers: Workers) -> Self {
        Self::on(Site::new().await, workers)
    }

    /// A till that does not wait for a provider that hangs for [`HANG_MS`].
    pub(crate) async fn impatient() -> Self {
        let mut site = Site::new().await;
        site.patience = Duration::from_millis(HANG_MS - 1_000);
        Self::on(site, Workers::On)
    }

    /// A till that takes its commands from a broker and answers there.
    pub(crate) async fn connected(broker: &Broker) -> Self {
        let mut site = Site::new().await;
        site.broker = Some(broker.clone());
        Self::on(site, Workers::On)
    }

    /// A till whose provider sends webhooks.
    pub(crate) async fn listening() -> Self {
        Self::open().await.listen().await
    }

    /// The same of this till.
    pub(crate) async fn listen(self) -> Self {
        let url = receiver(Arc::clone(&self.api), self.stop.clone()).await;
        let secret = WEBHOOK_SECRET.to_owned();
        self.sim.set_webhook(Some(WebhookTarget { url, secret }));
        self
    }

    /// Another process on the same database takes over from this one, which is dead.
    pub(crate) fn succeed(self) -> Self {
        let (sim, tenant) = (Arc::clone(&self.sim), self.tenant);
        self.stop.cancel();
        // The fields of a type with a destructor cannot be moved out: exchange the database.
        let mut old = self;
        let handle = tokio::runtime::Handle::current();
        let placeholder = tokio::task::block_in_place(|| handle.block_on(fresh_database()));
        let site = Site {
            database: std::mem::replace(&mut old.test_database, placeholder),
            sim,
            tenant,
            broker: None,
            patience: PATIENCE,
        };
        Self::on(site, Workers::On)
    }

    fn on(site: Site, workers: Workers) -> Self {
        let database = connect(&site.database);
        let registry = Registry::new("payment");
        let mut messaging = messaging(site.broker.as_ref(), &database, "payment", &registry);
        let pace = Pace {
            lease: Duration::from_secs(3),
            backoff_min: Duration::from_millis(20),
            backoff_max: Duration::from_millis(200),
        };
        let store = Arc::new(PgPayments::new(database.clone(), messaging.outbox(), pace));
        let metrics = Metrics::register(&registry);
        let limits = Limits {
            in_flight_max: 16,
            waiting_max: 1_024,
            record_batch_max: 16,
            absent_asks_min: 2,
        };
        let provider = Arc::new(stripe_at(&site.sim.url(), site.patience));
        let (caller, feed) = CallProvider::new(store.clone(), provider, metrics.clone(), limits);
        let stop = CancellationToken::new();
        let poll = Duration::from_millis(20);
        if workers == Workers::On {
            let tasks = Tasks::new(stop.clone());
            tokio::spawn(caller.run(tasks, stop.clone()));
            let sweep = Sweep::new(store.clone(), feed.clone(), metrics.clone(), poll, 100);
            tokio::spawn(sweep.run(stop.clone()));
        }
        let secrets = vec![WEBHOOK_SECRET.into(), WEBHOOK_SECRET_PREVIOUS.into()];
        let reader = Arc::new(StripeWebhooks::new(secrets, Clock::system()));
        let webhooks = TakeWebhook::new(store.clone(), reader, feed.clone(), metrics);
        let api = PaymentApi::new(store.clone(), feed.clone(), webhooks);
        let handler = subscription(store.clone(), feed.clone(), 100).handler;
        if site.broker.is_some() {
            messaging.subscribe(subscription(store, feed, 100));
            tokio::spawn(messaging.run(stop.clone()));
        }
        Self {
            test_database: site.database,
            database,
            sim: site.sim,
            api: Arc::new(api),
            tenant: site.tenant,
            handler,
            stop,
        }
    }

    pub(crate) fn call<T>(&self, message: T) -> Request<T> {
        call_as(self.tenant, message)
    }

    /// Delivers messages as one batch that is taken.
    pub(crate) async fn deliver(&self, messages: &[Message]) {
        self.try_deliver(messages).await.unwrap();
    }

    /// Delivers messages as one batch.
    pub(crate) async fn try_deliver(&self, messages: &[Message]) -> Result<(), HandleError> {
        let batch: Vec<Delivery> = messages
            .iter()
            .map(|message| Delivery {
                message: message.clone(),
                queue: "payment.commands".to_owned(),
                attempt: 1,
                redelivered: false,
            })
            .collect();
        self.handler.handle(&batch).await
    }

    pub(crate) async fn send<C: Command + prost::Message>(&self, sale: Sale, body: &C) {
        self.deliver(&[self.message(sale, body)]).await;
    }

    pub(crate) fn message<C: Command + prost::Message>(&self, sale: Sale, body: &C) -> Message {
        Outgoing::command(C::SERVICE, <C as Command>::NAME, self.tenant, body)
            .correlated(sale.order.as_uuid())
            .traced(Some(
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
            ))
            .message
    }

    pub(crate) async fn authorize(&self, sale: Sale, units: i64, card: &str) {
        self.send(sale, &sale.authorize(units, card)).await;
    }

    /// A payment whose money was taken.
    pub(crate) async fn captured(&self, units: i64) -> Sale {
        self.captured_on("pm_card_visa", units).await
    }

    pub(crate) async fn captured_on(&self, card: &str, units: i64) -> Sale {
        let sale = Sale::new();
        self.authorize(sale, units, card).await;
        self.heard(sale, "payment.authorized").await;
        self.send(sale, &sale.capture(None)).await;
        self.heard(sale, "payment.captured").await;
        sale
    }

    /// A payment that only webhooks tell of: held, or taken as well. For a till whose workers are dead.
    pub(crate) async fn hinted(&self, units: i64, taken: bool) -> Sale {
        let sale = Sale::new();
        self.authorize(sale, units, "pm_card_visa").await;
        let held = Hook::intent(self, sale, "requires_capture", units);
        self.hear(&held).await.unwrap();
        if taken {
            self.send(sale, &sale.capture(None)).await;
            let taken = Hook::intent(self, sale, "succeeded", units);
            self.hear(&taken).await.unwrap();
        }
        sale
    }

    pub(crate) async fn payment(&self, sale: Sale) -> Option<pb::Payment> {
        let payment_id = sale.payment.to_string();
        let request = self.call(pb::GetPaymentRequest { payment_id });
        let answer = self.api.get_payment(request).await.ok()?;
        answer.into_inner().payment
    }

    pub(crate) async fn in_state(&self, sale: Sale, state: pb::PaymentState) -> pb::Payment {
        eventually(state.as_str_name(), PATIENCE, async || {
            let payment = self.payment(sale).await?;
            (payment.state() == state).then_some(payment)
        })
        .await
    }

    /// What was said of a payment, oldest first.
    pub(crate) async fn said(&self, sale: Sale) -> Vec<String> {
        let mut tx = self.database.system_tx().await.unwrap();
        let keys = sqlx::query_scalar(
            "select routing_key from messaging.outbox where subject = $1 order by seq",
        )
        .bind(sale.payment.to_string())
        .fetch_all(tx.conn())
        .await
        .unwrap();
        tx.commit().await.unwrap();
        keys
    }

    pub(crate) async fn heard(&self, sale: Sale, key: &str) {
        eventually(key, PATIENCE, async || {
            self.said(sale)
                .await
                .iter()
                .any(|said| said == key)
                .then_some(())
        })
        .await;
    }

    /// Waits until so many of a payment's refunds stand there.
    pub(crate) async fn refunds_in(&self, sale: Sale, state: pb::RefundState, count: usize) {
        eventually(state.as_str_name(), PATIENCE, async || {
            let refunds = self.payment(sale).await?.refunds;
            let there = refunds.iter().filter(|made| made.state() == state);
            (there.count() == count).then_some(())
        })
        .await;
    }

    /// The bodies of one kind that were said of a payment, oldest first.
    pub(crate) async fn told<E: prost::Message + prost::Name + Default>(
        &self,
        sale: Sale,
    ) -> Vec<E> {
        let mut tx = self.database.system_tx().await.unwrap();
        let bodies: Vec<Vec<u8>> = sqlx::query_scalar(
            "select body from messaging.outbox where subject = $1 and kind = $2 order by seq",
        )
        .bind(sale.payment.to_string())
        .bind(E::full_name())
        .fetch_all(tx.conn())
        .await
        .unwrap();
        tx.commit().await.unwrap();
        let decode = |body: Vec<u8>| E::decode(body.as_slice()).unwrap();
        bodies.into_iter().map(decode).collect()
    }

    /// Waits until a thing was said so often.
    pub(crate) async fn heard_times(&self, sale: Sale, key: &str, times: usize) {
        eventually(key, PATIENCE, async || {
            let said = self.said(sale).await;
            (said.iter().filter(|said| *said == key).count() == times).then_some(())
        })
        .await;
    }

    pub(crate) fn fault(&self, op: Op, fault: Fault) {
        self.sim.faults().add(Rule::on(op, fault).times(1)).unwrap();
    }

    /// What the provider really did.
    pub(crate) fn witnessed(&self, sale: Sale) -> PaymentSums {
        let witness = self.sim.witness().unwrap();
        let sums = witness.payment(&sale.payment.to_string());
        sums.cloned().unwrap_or_default()
    }

    pub(crate) async fn refund(
        &self,
        sale: Sale,
        request_id: &str,
        units: Option<i64>,
    ) -> Result<pb::Refund, Status> {
        let request = self.call(pb::CreateRefundRequest {
            request_id: request_id.to_owned(),
            payment_id: sale.payment.to_string(),
            amount: units.map(gbp),
            note: "sorry".to_owned(),
        });
        let answer = self.api.create_refund(request).await?;
        Ok(answer.into_inner().refund.unwrap())
    }
}

pub(crate) fn call_as<T>(tenant: TenantId, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let caller = Caller::of_tenant(tenant, "tester", &[]);
    request.extensions_mut().insert(Arc::new(caller));
    request
}

/// The reason of a refusal.
pub(crate) fn reason<T>(answer: Result<T, Status>) -> String {
    let status = answer.err().expect("it is refused");
    ErrorDetails::from_status(&status).reason
}
