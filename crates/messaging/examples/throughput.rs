//! How many messages a second go the whole way: append, relay, queue, handler with inbox, ack.
//! Needs the test stack, like the tests. `cargo run --release --example throughput`
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a tool for developers"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use prometheus_client::registry::Registry;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tradepost_messaging::{
    Binding, Delivery, HandleError, Handler, Messaging, MessagingConfig, Outbox, Outgoing,
    Subscription, inbox,
};
use tradepost_postgres::Database;
use tradepost_testkit::eventually;
use tradepost_types::TenantId;

static NO_TABLES: sqlx::migrate::Migrator = sqlx::migrate::Migrator::DEFAULT;
const WRITERS: usize = 4;
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(clap::Parser)]
struct Arguments {
    /// Messages in all, written as fast as possible.
    #[arg(long, default_value_t = 40_000)]
    messages: usize,
    /// Messages a transaction.
    #[arg(long, default_value_t = 4)]
    per_transaction: usize,
    /// Messages sent one by one, with a pause, to measure latency.
    #[arg(long, default_value_t = 300)]
    singles: usize,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Probe {
    #[prost(bytes = "vec", tag = "1")]
    filling: Vec<u8>,
}

impl prost::Name for Probe {
    const NAME: &'static str = "Probe";
    const PACKAGE: &'static str = "tradepost.test.v1";
}

struct Counter {
    database: Database,
    handled: AtomicUsize,
    batches: AtomicUsize,
}

#[async_trait]
impl Handler for Counter {
    async fn handle(&self, batch: &[Delivery]) -> Result<(), HandleError> {
        let mut tx = self.database.system_tx().await?;
        let messages: Vec<_> = batch.iter().map(|each| &each.message).collect();
        let fresh = inbox::claim(tx.conn(), "throughput", &messages).await?;
        tx.commit().await?;
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.handled.fetch_add(fresh.len(), Ordering::Relaxed);
        Ok(())
    }
}

fn probe() -> Outgoing {
    let body = Probe {
        filling: vec![7; 200],
    };
    Outgoing::required_event("probe.sent", TenantId::new(), &body).about("probe", 1)
}

async fn append(database: &Database, outbox: &Outbox, count: usize) {
    let messages: Vec<Outgoing> = (0..count).map(|_| probe()).collect();
    let mut tx = database.system_tx().await.unwrap();
    outbox.append(tx.conn(), &messages).await.unwrap();
    tx.commit().await.unwrap();
    outbox.wake();
}

async fn reached(counter: &Counter, wanted: usize) {
    eventually("every message is handled", PATIENCE, async || {
        (counter.handled.load(Ordering::Relaxed) >= wanted).then_some(())
    })
    .await;
}

#[tokio::main]
async fn main() {
    let arguments = <Arguments as clap::Parser>::parse();
    let extra = [("messaging", &tradepost_messaging::MIGRATOR)];
    let test_database = tradepost_testkit::database(&NO_TABLES, &extra).await;
    let database = Database::connect_lazy(&test_database.config(), "throughput").unwrap();
    let broker = tradepost_testkit::broker();
    let config = MessagingConfig {
        url: broker.url(),
        namespace: Some(broker.namespace().to_owned()),
        ..MessagingConfig::default()
    };
    let counter = Arc::new(Counter {
        database: database.clone(),
        handled: AtomicUsize::new(0),
        batches: AtomicUsize::new(0),
    });
    let mut registry = Registry::default();
    let mut messaging = Messaging::new(config, database.clone(), "throughput", &mut registry);
    messaging.subscribe(Subscription {
        queue: "throughput.events",
        bindings: vec![Binding::event("probe.*")],
        batch_max: 100,
        handler: counter.clone(),
    });
    let stop = CancellationToken::new();
    let (outbox, mut connected) = (messaging.outbox(), messaging.connected());
    let mut running = JoinSet::new();
    running.spawn(messaging.run(stop.clone()));
    connected.wait_for(|up| *up).await.unwrap();

    flood(&arguments, &database, &outbox, &counter).await;
    trickle(&arguments, &database, &outbox, &counter).await;

    stop.cancel();
    running.join_next().await;
}

async fn flood(
    arguments: &Arguments,
    database: &Database,
    outbox: &Outbox,
    counter: &Arc<Counter>,
) {
    let started = Instant::now();
    let transactions = arguments.messages / arguments.per_transaction / WRITERS;
    let total = transactions * arguments.per_transaction * WRITERS;
    let mut writers = JoinSet::new();
    for _ in 0..WRITERS {
        let (database, outbox, count) =
            (database.clone(), outbox.clone(), arguments.per_transaction);
        writers.spawn(async move {
            for _ in 0..transactions {
                append(&database, &outbox, count).await;
            }
        });
    }
    while writers.join_next().await.is_some() {}
    let written = started.elapsed();
    reached(counter, total).await;
    let handled = started.elapsed();
    let rate = |elapsed: Duration| total as f64 / elapsed.as_secs_f64();
    println!("messages             {total}");
    println!("written, per second  {:.0}", rate(written));
    println!("end to end, p.s.     {:.0}", rate(handled));
    println!(
        "consumer batches     {}",
        counter.batches.load(Ordering::Relaxed)
    );
}

async fn trickle(
    arguments: &Arguments,
    database: &Database,
    outbox: &Outbox,
    counter: &Arc<Counter>,
) {
    let mut latencies = Vec::with_capacity(arguments.singles);
    for _ in 0..arguments.singles {
        let before = counter.handled.load(Ordering::Relaxed);
        append(database, outbox, 1).await;
        let committed = Instant::now();
        while counter.handled.load(Ordering::Relaxed) == before {
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        latencies.push(committed.elapsed());
    }
    latencies.sort_unstable();
    let at = |share: usize| {
        latencies
            .get(latencies.len() * share / 100)
            .copied()
            .unwrap_or_default()
    };
    println!("commit to handled    p50 {:?}  p99 {:?}", at(50), at(99));
}
