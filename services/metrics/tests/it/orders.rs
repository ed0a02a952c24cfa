//! What happens to orders counts once, whatever dies on the way.

use secrecy::{ExposeSecret, SecretString};
use sqlx::migrate::Migrator;
use tokio_util::sync::CancellationToken;
use tradepost_messaging::{Messaging, MessagingConfig, Outbox, Outgoing};
use tradepost_postgres::Database;
use tradepost_proto::common::v1::Money;
use tradepost_proto::order::event::v1 as fact;
use tradepost_proto::routing::Event;
use tradepost_testkit::{Broker, TestDatabase, broker, eventually, private_broker};
use tradepost_types::{OrderId, TenantId};

use crate::support::{Machine, SOON, Sum, assert_sound, command, fresh_database, stored, sum};

/// So many passes of a crash point are deadly, each once.
const HITS: u32 = 3;
/// Events of one order's way.
const WAY_EVENTS: u64 = 8;

/// The order service, as far as it tells facts.
struct Orders {
    database: Database,
    outbox: Outbox,
    tenant: TenantId,
    config: MessagingConfig,
    shutdown: CancellationToken,
    _test_database: TestDatabase,
}

impl Orders {
    async fn over(broker: &Broker) -> Self {
        Self::with(broker.url(), broker.namespace()).await
    }

    async fn with(url: SecretString, namespace: &str) -> Self {
        let none = Migrator::with_migrations(Vec::new());
        let messaging = [("messaging", &tradepost_messaging::MIGRATOR)];
        let test_database = tradepost_testkit::database(&none, &messaging).await;
        let database = Database::connect_lazy(&test_database.config(), "orders").unwrap();
        let config = MessagingConfig {
            url,
            namespace: Some(namespace.to_owned()),
            ..MessagingConfig::default()
        };
        let registry = tradepost_telemetry::Registry::new("orders");
        let messaging = registry
            .with(|registry| Messaging::new(config.clone(), database.clone(), "orders", registry));
        let (outbox, shutdown) = (messaging.outbox(), CancellationToken::new());
        tokio::spawn(messaging.run(shutdown.clone()));
        Self {
            database,
            outbox,
            tenant: TenantId::new(),
            config,
            shutdown,
            _test_database: test_database,
        }
    }

    /// What the metrics service is told of the broker.
    fn environment(&self) -> Vec<(&'static str, String)> {
        let url = self.config.url.expose_secret().to_owned();
        let namespace = self.config.namespace.clone().unwrap();
        vec![
            ("MESSAGING__URL", url),
            ("MESSAGING__NAMESPACE", namespace),
            ("MESSAGING__RETRY_BACKOFF_MIN_MS", "20".to_owned()),
            ("MESSAGING__RETRY_POLL_MS", "50".to_owned()),
        ]
    }

    async fn send(&self, facts: &[Outgoing]) {
        let mut tx = self.database.system_tx().await.unwrap();
        self.outbox.append(tx.conn(), facts).await.unwrap();
        tx.commit().await.unwrap();
        self.outbox.wake();
    }

    /// A fact that waits until the metrics service has its queue.
    fn fact<E: Event + prost::Message>(&self, body: &E) -> Outgoing {
        Outgoing::required_event(E::KEY, self.tenant, body)
    }

    fn placed(&self, units: i64) -> Outgoing {
        self.fact(&fact::OrderPlaced {
            order_id: OrderId::new().to_string(),
            customer_ref: "ann".into(),
            total: eur(units * 100),
            line_count: 1,
            unit_count: units,
        })
    }

    /// An order on its whole way.
    fn way(&self) -> Vec<Outgoing> {
        let order_id = OrderId::new().to_string();
        vec![
            self.placed(2),
            self.fact(&fact::OrderConfirmed {
                order_id: order_id.clone(),
                total: eur(200),
                unit_count: 2,
                duration_ms: 40,
                ..Default::default()
            }),
            self.fact(&fact::OrderShipped {
                order_id: order_id.clone(),
                total: eur(200),
                duration_ms: 60,
                ..Default::default()
            }),
            self.fact(&fact::OrderDelivered {
                order_id,
                duration_ms: 80,
                ..Default::default()
            }),
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
fn eur(minor_units: i64) -> Option<Money> {
    Some(Money {
        currency_code: "EUR".into(),
        minor_units,
    })
}

/// What so many ways of orders add up to.
fn of_ways(ways: i64) -> Vec<Sum> {
    let each = |event_type, value: f64| sum(event_type, ways, value * ways as f64);
    vec![
        each("order.confirmed", 40.0),
        each("order.confirmed.eur", 200.0),
        each("order.confirmed.units", 2.0),
        each("order.delivered", 80.0),
        each("order.placed", 2.0),
        each("order.placed.eur", 200.0),
        each("order.shipped", 60.0),
        each("order.shipped.eur", 200.0),
    ]
}

async fn until_stored(database: &TestDatabase, tenant: TenantId, wanted: &[Sum]) {
    eventually(&format!("{wanted:?} is stored"), SOON, async || {
        (stored(database, tenant).await == wanted).then_some(())
    })
    .await;
}

async fn count(database: &TestDatabase, table: &'static str) -> i64 {
    sqlx::query_scalar(sqlx::AssertSqlSafe(format!("select count(*) from {table}")))
        .fetch_one(&mut database.admin().await)
        .await
        .unwrap()
}

async fn until_parked(database: &TestDatabase, wanted: i64) {
    eventually("it is parked", SOON, async || {
        (count(database, "messaging.parked").await == wanted).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_on_its_way_counts_in_the_sums_and_live_and_for_its_tenant_alone() {
    let (orders, database) = (Orders::over(&broker()).await, fresh_database().await);
    let machine = Machine::with(&database, None, &orders.environment()).await;
    let rejected = orders.fact(&fact::OrderRejected {
        reason: "OUT_OF_STOCK".into(),
        duration_ms: 5,
        ..Default::default()
    });

    let refunded = orders.fact(&fact::OrderRefunded {
        refund_id: "refund_1".into(),
        amount: eur(30),
        duration_ms: 90,
        ..Default::default()
    });

    orders.send(&orders.way()).await;
    orders.send(&[rejected, refunded]).await;

    let mut wanted = of_ways(1);
    wanted.push(sum("order.refunded", 1, 90.0));
    wanted.push(sum("order.refunded.eur", 1, 30.0));
    wanted.push(sum("order.rejected", 1, 5.0));
    wanted.push(sum("order.rejected.out_of_stock", 1, 5.0));
    wanted.sort_by(|one, other| one.0.cmp(&other.0));
    until_stored(&database, orders.tenant, &wanted).await;
    let counted_live = machine.counted_live(orders.tenant).await;
    assert_eq!(counted_live, wanted);
    assert_eq!(stored(&database, TenantId::new()).await, []);
    // No customer is in any event.
    assert_eq!(count(&database, "events where user_id <> ''").await, 0);
    assert_sound(&mut database.admin().await, WAY_EVENTS + 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_that_come_twice_and_in_any_order_count_once() {
    let (orders, database) = (Orders::over(&broker()).await, fresh_database().await);
    let _machine = Machine::with(&database, None, &orders.environment()).await;
    let mut facts: Vec<Outgoing> = (0..30).flat_map(|_| orders.way()).collect();
    let mut backwards = facts.clone();
    backwards.reverse();
    facts.truncate(70);

    orders.send(&facts).await;
    orders.send(&backwards).await;
    orders.send(&facts).await;
    let last = orders.placed(7);
    orders.send(std::slice::from_ref(&last)).await;

    let mut wanted = of_ways(30);
    wanted[4] = sum("order.placed", 31, 67.0);
    wanted[5] = sum("order.placed.eur", 31, 6_700.0);
    until_stored(&database, orders.tenant, &wanted).await;
    assert_sound(&mut database.admin().await, 30 * WAY_EVENTS + 2).await;
}

/// Tells of orders until the process dies at each early pass of the point.
async fn dies_early(point: &str) {
    for hit in 1..=HITS {
        let (orders, database) = (Orders::over(&broker()).await, fresh_database().await);
        let environment = orders.environment();
        let mut machine = Machine::with(&database, Some((point, hit)), &environment).await;
        let mut ways = 0;
        eventually("it is gone", SOON, async || {
            if machine.process.ended().is_some() {
                return Some(());
            }
            orders.send(&orders.way()).await;
            ways += 1;
            None
        })
        .await;

        let _machine = Machine::with(&database, None, &environment).await;
        until_stored(&database, orders.tenant, &of_ways(ways)).await;
        // Whatever is delivered again comes before this way.
        orders.send(&orders.way()).await;
        until_stored(&database, orders.tenant, &of_ways(ways + 1)).await;

        let events = (ways.unsigned_abs() + 1) * WAY_EVENTS;
        assert_sound(&mut database.admin().await, events).await;
        assert_eq!(count(&database, "messaging.parked").await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_may_die_between_the_commit_and_the_acknowledgement() {
    dies_early("consumer.before_ack").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_may_die_while_facts_are_being_stored() {
    dies_early("metrics.after_events").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_serves_without_the_broker_and_loses_nothing_when_that_is_killed() {
    let broker = private_broker().await;
    let (orders, database) = (
        Orders::with(broker.url(), "outage").await,
        fresh_database().await,
    );
    let environment = orders.environment();
    broker.kill().await;
    let machine = Machine::with(&database, None, &environment).await;
    assert_eq!(machine.counted_live(orders.tenant).await, []);
    orders.send(&orders.way()).await;
    broker.start().await;
    until_stored(&database, orders.tenant, &of_ways(1)).await;
    // RabbitMQ 3.10 writes the names of new quorum queues lazily; young queues are not our subject.
    broker
        .ctl(&["eval", "[dets:sync(Table) || Table <- dets:all()]."])
        .await;

    for _ in 0..50 {
        orders.send(&orders.way()).await;
    }
    broker.kill().await;
    orders.send(&orders.way()).await;
    broker.start().await;

    until_stored(&database, orders.tenant, &of_ways(52)).await;
    assert_sound(&mut database.admin().await, 52 * WAY_EVENTS).await;
    assert_eq!(count(&database, "messaging.parked").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_is_parked_and_what_stands_beside_it_counts() {
    let (orders, database) = (Orders::over(&broker()).await, fresh_database().await);
    let _machine = Machine::with(&database, None, &orders.environment()).await;
    let broken = |total| {
        orders.fact(&fact::OrderPlaced {
            total,
            ..Default::default()
        })
    };
    let mut facts: Vec<Outgoing> = (0..10).flat_map(|_| orders.way()).collect();
    facts.insert(3, broken(None));
    facts.insert(17, broken(eur(-1)));

    orders.send(&facts).await;

    until_stored(&database, orders.tenant, &of_ways(10)).await;
    until_parked(&database, 2).await;
    assert_sound(&mut database.admin().await, 10 * WAY_EVENTS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_parked_counts_once_when_its_cause_is_gone_and_it_is_redriven() {
    let (orders, database) = (Orders::over(&broker()).await, fresh_database().await);
    let mut strict = orders.environment();
    strict.push(("ANALYTICS__HISTORY_DAYS", "1".to_owned()));
    let machine = Machine::with(&database, None, &strict).await;
    let three_days_ago = time::OffsetDateTime::now_utc() - time::Duration::days(3);
    let old = orders.placed(3).at(three_days_ago);
    orders.send(&[old.clone(), orders.placed(1)]).await;
    until_parked(&database, 1).await;
    drop(machine);

    let _machine = Machine::with(&database, None, &orders.environment()).await;
    let mut redrive = command(&database, &["parked", "redrive", "--all"]).spawn();
    let status = redrive.wait(SOON).await;

    assert!(status.success(), "{}", redrive.log());
    let wanted = [
        sum("order.placed", 2, 4.0),
        sum("order.placed.eur", 2, 400.0),
    ];
    until_stored(&database, orders.tenant, &wanted).await;
    // The broker's copy comes late.
    orders.send(&[old, orders.placed(5)]).await;
    let wanted = [
        sum("order.placed", 3, 9.0),
        sum("order.placed.eur", 3, 900.0),
    ];
    until_stored(&database, orders.tenant, &wanted).await;
    until_parked(&database, 0).await;
    assert_sound(&mut database.admin().await, 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_holds_the_facts_up_and_parks_none() {
    let (orders, database) = (Orders::over(&broker()).await, fresh_database().await);
    let mut narrow = orders.environment();
    for (key, value) in [
        ("ANALYTICS__WRITERS", "1"),
        ("ANALYTICS__QUEUE_BATCHES_MAX", "1"),
        ("MESSAGING__RETRY_ATTEMPTS_MAX", "1"),
    ] {
        narrow.push((key, value.to_owned()));
    }
    let _machine = Machine::with(&database, None, &narrow).await;
    let facts: Vec<Outgoing> = (0..20).flat_map(|_| orders.way()).collect();

    orders.send(&facts).await;

    until_stored(&database, orders.tenant, &of_ways(20)).await;
    assert_eq!(count(&database, "messaging.parked").await, 0);
    assert_eq!(count(&database, "messaging.retries").await, 0);
    assert_sound(&mut database.admin().await, 20 * WAY_EVENTS).await;
}
