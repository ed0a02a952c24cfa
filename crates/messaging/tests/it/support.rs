//! A service under test: its database, its messaging, and a handler whose behaviour each message
//! names in its subject.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use prometheus_client::registry::Registry;
use secrecy::SecretString;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tradepost_messaging::{
    Binding, Delivery, HandleError, Handler, Messaging, MessagingConfig, Outbox, Outgoing,
    Subscription, inbox,
};
use tradepost_postgres::Database;
use tradepost_testkit::{Broker, PrivatePostgres, TestDatabase, eventually};
use tradepost_types::{MessageId, TenantId};

pub(crate) const SOON: Duration = Duration::from_secs(60);
pub(crate) const QUEUE: &str = "probe.events";

static EFFECTS: sqlx::migrate::Migrator = sqlx::migrate!("tests/it/migrations");

/// The body of every message here.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Probe {
    #[prost(int64, tag = "1")]
    pub(crate) number: i64,
}

impl prost::Name for Probe {
    const NAME: &'static str = "Probe";
    const PACKAGE: &'static str = "tradepost.test.v1";
}

/// A body that takes many frames: no part of it is like another.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Long {
    #[prost(uint32, repeated, tag = "1")]
    numbers: Vec<u32>,
}

impl prost::Name for Long {
    const NAME: &'static str = "Long";
    const PACKAGE: &'static str = "tradepost.test.v1";
}

impl Long {
    pub(crate) fn new() -> Self {
        Self {
            numbers: (0..50_000).collect(),
        }
    }
}

pub(crate) fn event(subject: &str) -> Outgoing {
    Outgoing::required_event("probe.sent", TenantId::new(), &Probe { number: 7 }).about(subject, 1)
}

pub(crate) fn events(subject: &str, count: usize) -> Vec<Outgoing> {
    (0..count).map(|_| event(subject)).collect()
}

/// Writes an effect per fresh message; fails as the message's subject says.
pub(crate) struct Prober {
    database: Database,
    calls: Mutex<HashMap<MessageId, u32>>,
    pub(crate) batches: Mutex<Vec<usize>>,
    /// Until then `broken` is as bad as `poison`.
    pub(crate) is_mended: AtomicBool,
    /// Runs once, after the next commit and before the acknowledgement.
    pub(crate) after_commit: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Prober {
    fn new(database: Database) -> Self {
        Self {
            database,
            calls: Mutex::default(),
            batches: Mutex::default(),
            is_mended: AtomicBool::default(),
            after_commit: Mutex::default(),
        }
    }

    pub(crate) fn calls(&self, id: MessageId) -> u32 {
        self.calls.lock().unwrap().get(&id).copied().unwrap_or(0)
    }

    fn count_call(&self, id: MessageId) -> u32 {
        let mut calls = self.calls.lock().unwrap();
        let calls = calls.entry(id).or_default();
        *calls += 1;
        *calls
    }

    fn judge(&self, delivery: &Delivery) -> Result<(), HandleError> {
        let calls = self.count_call(delivery.message.id);
        match delivery.message.subject.as_str() {
            "poison" => Err(HandleError::Poison {
                reason: "bad_probe",
                detail: format!("probe {} is bad", delivery.message.id),
            }),
            "broken" if !self.is_mended.load(Ordering::SeqCst) => Err(HandleError::Poison {
                reason: "broken_probe",
                detail: "not mended yet".to_owned(),
            }),
            "long" if delivery.message.decode::<Long>().ok() != Some(Long::new()) => {
                Err(transient())
            }
            "panic_once" if calls == 1 => panic!("as told"),
            "fail_5" if calls <= 5 => Err(transient()),
            "fail_first_round" if delivery.attempt == 1 => Err(transient()),
            // Far more often than any count of tries allows.
            "busy" if calls <= 8 => Err(BUSY),
            "busy_second_round" if delivery.attempt == 1 => Err(transient()),
            "busy_second_round" if calls <= 8 => Err(BUSY),
            _ => Ok(()),
        }
    }
}

const BUSY: HandleError = HandleError::Busy { reason: "no_room" };

fn transient() -> HandleError {
    HandleError::Transient {
        reason: "told_to_fail",
        source: "as the subject says".into(),
    }
}

#[async_trait]
impl Handler for Prober {
    async fn handle(&self, batch: &[Delivery]) -> Result<(), HandleError> {
        self.batches.lock().unwrap().push(batch.len());
        for delivery in batch {
            self.judge(delivery)?;
        }
        let mut tx = self.database.system_tx().await?;
        let messages: Vec<_> = batch.iter().map(|each| &each.message).collect();
        let fresh = inbox::claim(tx.conn(), QUEUE, &messages).await?;
        for delivery in batch {
            if fresh.contains(&delivery.message.id) {
                sqlx::query("insert into effects (message_id, attempt) values ($1, $2)")
                    .bind(delivery.message.id.as_uuid())
                    .bind(i32::try_from(delivery.attempt).unwrap())
                    .execute(tx.conn())
                    .await
                    .map_err(tradepost_postgres::DbError::from)?;
            }
        }
        tx.commit().await?;
        let hook = self.after_commit.lock().unwrap().take();
        if let Some(hook) = hook {
            hook();
        }
        Ok(())
    }
}

/// One service with its own database.
pub(crate) struct Service {
    pub(crate) test_database: TestDatabase,
    pub(crate) database: Database,
    pub(crate) config: MessagingConfig,
}

/// A running instance of it.
pub(crate) struct Instance {
    pub(crate) outbox: Outbox,
    pub(crate) prober: Arc<Prober>,
    pub(crate) connected: tokio::sync::watch::Receiver<bool>,
    registry: Registry,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

/// Limits that make tests quick.
pub(crate) fn quick(url: SecretString, namespace: &str) -> MessagingConfig {
    MessagingConfig {
        url,
        namespace: Some(namespace.to_owned()),
        relay_poll_ms: 50,
        confirm_timeout_ms: 2_000,
        retry_poll_ms: 20,
        retry_backoff_min_ms: 20,
        retry_backoff_max_ms: 200,
        retry_attempts_max: 3,
        heartbeat_seconds: 20,
        ..MessagingConfig::default()
    }
}

impl Service {
    pub(crate) async fn new() -> Self {
        let broker: Broker = tradepost_testkit::broker();
        Self::with(quick(broker.url(), broker.namespace())).await
    }

    pub(crate) async fn with(config: MessagingConfig) -> Self {
        let extra = [("messaging", &tradepost_messaging::MIGRATOR)];
        Self::on(config, tradepost_testkit::database(&EFFECTS, &extra).await)
    }

    /// On a database server of its own.
    pub(crate) async fn on_private_postgres(postgres: &PrivatePostgres) -> Self {
        let broker = tradepost_testkit::broker();
        let extra = [("messaging", &tradepost_messaging::MIGRATOR)];
        let database = postgres.database(&EFFECTS, &extra).await;
        Self::on(quick(broker.url(), broker.namespace()), database)
    }

    fn on(config: MessagingConfig, test_database: TestDatabase) -> Self {
        // Shown when the test fails.
        let logs = tracing_subscriber::fmt().with_env_filter("info,lapin=error");
        let _one_per_process = logs.with_test_writer().try_init();
        let database = Database::connect_lazy(&test_database.config(), "probe").unwrap();
        Self {
            test_database,
            database,
            config,
        }
    }

    /// Relay and consumer.
    pub(crate) async fn start(&self) -> Instance {
        self.launch(&["probe.*"]).await
    }

    /// Only the relay.
    pub(crate) async fn start_relay(&self) -> Instance {
        self.launch(&[]).await
    }

    async fn launch(&self, patterns: &[&str]) -> Instance {
        let mut registry = Registry::with_prefix("tradepost");
        let mut messaging = Messaging::new(
            self.config.clone(),
            self.database.clone(),
            "probe",
            &mut registry,
        );
        let prober = Arc::new(Prober::new(self.database.clone()));
        if !patterns.is_empty() {
            messaging.subscribe(Subscription {
                queue: QUEUE,
                bindings: patterns.iter().map(|each| Binding::event(each)).collect(),
                batch_max: 20,
                handler: prober.clone(),
            });
        }
        let stop = CancellationToken::new();
        let mut connected = messaging.connected();
        let outbox = messaging.outbox();
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(messaging.run(stop.clone()));
        #[expect(clippy::disallowed_methods, reason = "a test has no tracked spawner")]
        let running = tokio::spawn(async move { while tasks.join_next().await.is_some() {} });
        connected.wait_for(|up| *up).await.unwrap();
        Instance {
            outbox,
            prober,
            connected,
            registry,
            stop,
            running,
        }
    }

    pub(crate) async fn count(&self, table: &str) -> i64 {
        let mut admin = self.test_database.admin().await;
        sqlx::query_scalar(sqlx::AssertSqlSafe(format!("select count(*) from {table}")))
            .fetch_one(&mut admin)
            .await
            .unwrap()
    }

    /// How many effects there are, and of how many messages.
    pub(crate) async fn effects(&self) -> (i64, i64) {
        let mut admin = self.test_database.admin().await;
        sqlx::query_as("select count(*), count(distinct message_id) from effects")
            .fetch_one(&mut admin)
            .await
            .unwrap()
    }

    /// Waits until that many messages had their effect, then checks that none had two.
    pub(crate) async fn expect_effects(&self, wanted: usize, within: Duration) {
        let wanted = i64::try_from(wanted).unwrap();
        let total = eventually("every message has its effect", within, async || {
            let (total, distinct) = self.effects().await;
            (distinct >= wanted).then_some(total)
        })
        .await;
        assert_eq!(total, wanted, "an effect happened twice");
    }

    pub(crate) async fn expect_empty(&self, table: &str) {
        eventually(&format!("{table} is empty"), SOON, async || {
            (self.count(table).await == 0).then_some(())
        })
        .await;
    }

    /// Commits the messages as a request or consumer would, and wakes the relay.
    pub(crate) async fn send(&self, outbox: &Outbox, messages: &[Outgoing]) {
        let mut tx = self.database.system_tx().await.unwrap();
        outbox.append(tx.conn(), messages).await.unwrap();
        tx.commit().await.unwrap();
        outbox.wake();
    }
}

impl Instance {
    /// The value of a metric without labels, as a scraper reads it.
    pub(crate) fn metric(&self, name: &str) -> Option<f64> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().parse().ok()
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(SOON, self.running)
            .await
            .expect("messaging stops within its grace")
            .unwrap();
    }
}
