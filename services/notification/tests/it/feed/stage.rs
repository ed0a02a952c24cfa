//! The order service as far as it tells facts, who hears them, and what was told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use secrecy::ExposeSecret;
use sqlx::migrate::Migrator;
use tokio_util::sync::CancellationToken;
use tradepost_messaging::{Messaging, MessagingConfig, Outbox, Outgoing};
use tradepost_notification::adapters::amqp;
use tradepost_notification::adapters::postgres::{MIGRATOR, PgFeed};
use tradepost_notification::application::TellOfOrders;
use tradepost_notification::domain::Locale;
use tradepost_notification::metrics::FeedMetrics;
use tradepost_notification::ports::{Announce, Announcement};
use tradepost_notifications::content::Content;
use tradepost_notifications::wire;
use tradepost_postgres::{Database, idempotency};
use tradepost_proto::common::v1::Money;
use tradepost_proto::order::event::v1 as fact;
use tradepost_proto::routing::Event;
use tradepost_testkit::{
    Broker, Process, ProcessBuilder, TestDatabase, Trust, broker, eventually, free_port,
};
use tradepost_types::{OrderId, RefundId, TenantId};

use crate::store::support::patient;

pub(crate) const SOON: Duration = Duration::from_secs(180);

/// Who buys, in most tests.
pub(crate) const ADA: &str = "ada@example.com";

/// A database of the service, migrated.
pub(crate) async fn fresh_database() -> TestDatabase {
    let extra = [
        (idempotency::SCHEMA, &idempotency::MIGRATOR),
        ("messaging", &tradepost_messaging::MIGRATOR),
    ];
    tradepost_testkit::database(&MIGRATOR, &extra).await
}

/// Messaging of one service on a broker.
fn messaging(database: &Database, config: &MessagingConfig, service: &str) -> Messaging {
    let registry = tradepost_telemetry::Registry::new("test");
    registry.with(|registry| Messaging::new(config.clone(), database.clone(), service, registry))
}

/// The order service, as far as it tells facts.
pub(crate) struct Orders {
    outbox: Outbox,
    database: Database,
    pub(crate) tenant: TenantId,
    pub(crate) config: MessagingConfig,
    shutdown: CancellationToken,
    test_database: TestDatabase,
}

impl Orders {
    pub(crate) async fn open() -> Self {
        Self::over(&broker()).await
    }

    async fn over(broker: &Broker) -> Self {
        let none = Migrator::with_migrations(Vec::new());
        let tables = [("messaging", &tradepost_messaging::MIGRATOR)];
        let test_database = tradepost_testkit::database(&none, &tables).await;
        let database = Database::connect_lazy(&patient(&test_database), "orders").unwrap();
        let config = MessagingConfig {
            url: broker.url(),
            namespace: Some(broker.namespace().to_owned()),
            retry_backoff_min_ms: 20,
            retry_poll_ms: 50,
            ..MessagingConfig::default()
        };
        let messaging = messaging(&database, &config, "orders");
        let (outbox, shutdown) = (messaging.outbox(), CancellationToken::new());
        tokio::spawn(messaging.run(shutdown.clone()));
        Self {
            outbox,
            database,
            tenant: TenantId::new(),
            config,
            shutdown,
            test_database,
        }
    }

    pub(crate) async fn send(&self, facts: &[Outgoing]) {
        let mut tx = self.database.system_tx().await.unwrap();
        self.outbox.append(tx.conn(), facts).await.unwrap();
        tx.commit().await.unwrap();
        self.outbox.wake();
    }

    /// Waits until there is a queue: until then facts come late and in any order. Nobody is told of
    /// an order that was only placed.
    async fn until_heard(&self) {
        let placed = self.fact(&fact::OrderPlaced::default());
        self.send(&[placed]).await;
        eventually("there is a queue", SOON, async || {
            (count(&self.test_database, "messaging.outbox").await == 0).then_some(())
        })
        .await;
    }

    /// A fact that waits until the notification service has its queue.
    pub(crate) fn fact<E: Event + prost::Message>(&self, body: &E) -> Outgoing {
        Outgoing::required_event(E::KEY, self.tenant, body)
    }

    pub(crate) fn confirmed(&self, order: OrderId, customer: &str) -> Outgoing {
        self.fact(&fact::OrderConfirmed {
            order_id: order.to_string(),
            customer_ref: customer.into(),
            total: eur(123_450),
            unit_count: 2,
            duration_ms: 40,
        })
    }

    pub(crate) fn shipped(&self, order: OrderId, customer: &str) -> Outgoing {
        self.fact(&fact::OrderShipped {
            order_id: order.to_string(),
            customer_ref: customer.into(),
            total: eur(123_450),
            ..Default::default()
        })
    }

    pub(crate) fn delivered(&self, order: OrderId, customer: &str) -> Outgoing {
        self.fact(&fact::OrderDelivered {
            order_id: order.to_string(),
            customer_ref: customer.into(),
            duration_ms: 80,
        })
    }

    /// The order is stuck at this version.
    pub(crate) fn refunded(&self, order: OrderId, refund: RefundId) -> Outgoing {
        self.fact(&fact::OrderRefunded {
            order_id: order.to_string(),
            customer_ref: ADA.into(),
            refund_id: refund.to_string(),
            amount: eur(250),
            duration_ms: 1,
        })
    }

    pub(crate) fn stuck(&self, order: OrderId, version: i64) -> Outgoing {
        self.fact(&fact::OrderNeedsAttention {
            order_id: order.to_string(),
            customer_ref: ADA.into(),
            step: "capture_payment".into(),
            reason: "card 4242 4242 4242 4242 of Ada, 12 High Street".into(),
            duration_ms: 9,
        })
        .about(order.to_string(), version)
    }

    /// An order on its way: three facts.
    pub(crate) fn way(&self, order: OrderId) -> Vec<Outgoing> {
        vec![
            self.confirmed(order, ADA),
            self.shipped(order, ADA),
            self.delivered(order, ADA),
        ]
    }
}

impl Drop for Orders {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "a field of a message is an option"
)]
pub(crate) fn eur(minor_units: i64) -> Option<Money> {
    Some(Money {
        currency_code: "EUR".into(),
        minor_units,
    })
}

/// Notes what is announced.
#[derive(Default)]
struct Notebook(Mutex<Vec<Announcement>>);

impl Announce for Notebook {
    fn announce(&self, announcements: Vec<Announcement>) {
        self.0.lock().unwrap().extend(announcements);
    }
}

/// What a reader was told, as a test writes it: sequence and kind.
pub(crate) type Line = (i64, String);

/// Lines in their order.
pub(crate) fn lines<const N: usize>(kinds: [&str; N]) -> Vec<Line> {
    (1..)
        .zip(kinds.map(|kind| format!("order.{kind}")))
        .collect()
}

/// Nodes of the service that hear of orders, without their processes.
pub(crate) struct Stage {
    pub(crate) orders: Orders,
    pub(crate) database: TestDatabase,
    notebook: Arc<Notebook>,
    shutdown: CancellationToken,
}

impl Stage {
    pub(crate) async fn open() -> Self {
        Self::with(1, Locale::En).await
    }

    /// So many nodes, which tell in this language.
    pub(crate) async fn with(nodes: usize, locale: Locale) -> Self {
        let stage = Self {
            orders: Orders::open().await,
            database: fresh_database().await,
            notebook: Arc::default(),
            shutdown: CancellationToken::new(),
        };
        for _ in 0..nodes {
            stage.node(locale);
        }
        stage.orders.until_heard().await;
        stage
    }

    fn node(&self, locale: Locale) {
        let database = Database::connect_lazy(&patient(&self.database), "feed-test").unwrap();
        let registry = tradepost_telemetry::Registry::new("test");
        let metrics = FeedMetrics::register(&registry);
        let feed = Arc::new(PgFeed::new(database.clone()).unwrap());
        let tell = TellOfOrders::new(feed, self.notebook.clone(), locale, metrics);
        let mut messaging = messaging(&database, &self.orders.config, "notification");
        messaging.subscribe(amqp::subscription(tell));
        tokio::spawn(messaging.run(self.shutdown.clone()));
    }

    pub(crate) async fn until_told(&self, stream: &str, wanted: &[Line]) {
        until_told(&self.database, self.orders.tenant, stream, wanted).await;
    }

    /// What was announced into a stream of the tenant, in the order of its sequences.
    pub(crate) fn announced(&self, stream: &str) -> Vec<wire::Notification> {
        let noted = self.notebook.0.lock().unwrap();
        let seen = |announcement: &Announcement| {
            let Announcement::Entry(entry) = announcement else {
                panic!("{announcement:?}");
            };
            let text = std::str::from_utf8(&entry.text).unwrap();
            let told = wire::Told::parse(text).unwrap();
            let wire::Told::Notification(notification) = told else {
                panic!("{told:?}");
            };
            (entry.key.tenant == self.orders.tenant).then_some(*notification)
        };
        let mut told: Vec<wire::Notification> = noted
            .iter()
            .filter_map(seen)
            .filter(|notification| notification.stream.to_string() == stream)
            .collect();
        told.sort_by_key(|notification| notification.seq);
        told
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// What is stored of a tenant's stream: the sequence and the kind of each.
pub(crate) async fn told(database: &TestDatabase, tenant: TenantId, stream: &str) -> Vec<Line> {
    stored(database, tenant, stream)
        .await
        .into_iter()
        .map(|(seq, content)| (seq, content.kind))
        .collect()
}

/// The same with the contents.
pub(crate) async fn stored(
    database: &TestDatabase,
    tenant: TenantId,
    stream: &str,
) -> Vec<(i64, Content)> {
    let rows: Vec<(i64, String)> = sqlx::query_as(
        "select seq, content::text from notifications
         where tenant_id = $1 and stream = $2 order by seq",
    )
    .bind(tenant.as_uuid())
    .bind(stream)
    .fetch_all(&mut database.admin().await)
    .await
    .unwrap();
    rows.into_iter()
        .map(|(seq, content)| (seq, serde_json::from_str(&content).unwrap()))
        .collect()
}

pub(crate) async fn until_told(
    database: &TestDatabase,
    tenant: TenantId,
    stream: &str,
    wanted: &[Line],
) {
    let wanted_kinds = in_any_order(wanted.to_vec());
    eventually(&format!("{stream} has {wanted:?}"), SOON, async || {
        (in_any_order(told(database, tenant, stream).await) == wanted_kinds).then_some(())
    })
    .await;
}

/// Places and kinds apart: what failed once and came again comes later than its neighbours.
fn in_any_order(lines: Vec<Line>) -> (Vec<i64>, Vec<String>) {
    let (places, mut kinds): (Vec<i64>, Vec<String>) = lines.into_iter().unzip();
    kinds.sort_unstable();
    (places, kinds)
}

/// The stream of a user in tables.
pub(crate) fn of_user(user: &str) -> String {
    format!("user:{user}")
}

/// That of the staff.
pub(crate) const STAFF: &str = "group:staff";

pub(crate) async fn count(database: &TestDatabase, table: &'static str) -> i64 {
    sqlx::query_scalar(sqlx::AssertSqlSafe(format!("select count(*) from {table}")))
        .fetch_one(&mut database.admin().await)
        .await
        .unwrap()
}

pub(crate) async fn until_parked(database: &TestDatabase, wanted: i64) {
    eventually("it is parked", SOON, async || {
        (count(database, "messaging.parked").await == wanted).then_some(())
    })
    .await;
}

/// The program over a database.
pub(crate) fn command(database: &TestDatabase, arguments: &[&str]) -> ProcessBuilder {
    let config = database.config();
    let owner_url = config.owner_url.clone().unwrap();
    let urls = [
        ("URL", config.url.expose_secret()),
        ("SYSTEM_URL", config.system_url.expose_secret()),
        ("OWNER_URL", owner_url.expose_secret()),
        ("ACQUIRE_TIMEOUT_MS", "10000"),
    ];
    let builder = Process::builder(env!("CARGO_BIN_EXE_notification"));
    let builder = arguments
        .iter()
        .fold(builder, |builder, argument| builder.arg(argument));
    urls.into_iter().fold(builder, |builder, (name, value)| {
        builder.env(format!("TRADEPOST_NOTIFICATION__DATABASE__{name}"), value)
    })
}

/// The service as a process that hears of orders. With a crash point it is not waited for.
pub(crate) struct Machine {
    pub(crate) process: Process,
    _trust: Trust,
}

impl Machine {
    pub(crate) async fn start(
        database: &TestDatabase,
        orders: &Orders,
        crash: Option<(&str, u32)>,
    ) -> Self {
        let trust = Trust::new();
        let local = |port: u16| format!("127.0.0.1:{port}");
        let admin = local(free_port());
        let namespace = orders.config.namespace.clone().unwrap();
        let mut settings = vec![
            ("SERVER__LISTEN_ADDR", local(free_port())),
            ("SERVER__ADMIN_ADDR", admin.clone()),
            (
                "SERVER__AUTH__TRUST_PATH",
                trust.trust_path().display().to_string(),
            ),
            ("LIVE__LISTEN_ADDR", local(free_port())),
            (
                "MESSAGING__URL",
                orders.config.url.expose_secret().to_owned(),
            ),
            ("MESSAGING__NAMESPACE", namespace),
            ("MESSAGING__RETRY_BACKOFF_MIN_MS", "20".to_owned()),
            ("MESSAGING__RETRY_POLL_MS", "50".to_owned()),
        ];
        if let Some((point, hit)) = crash {
            settings.push(("SERVER__CRASH__POINT", point.to_owned()));
            settings.push(("SERVER__CRASH__HIT", hit.to_string()));
        }
        let builder = settings
            .into_iter()
            .fold(command(database, &[]), |builder, (name, value)| {
                builder.env(format!("TRADEPOST_NOTIFICATION__{name}"), value)
            });
        let mut process = builder.spawn();
        if crash.is_none() {
            process.ready(admin.parse().unwrap(), SOON).await;
        }
        Self {
            process,
            _trust: trust,
        }
    }
}
