//! How many events a second are stored durably, in one process against a real PostgreSQL, and how
//! long the daily report then takes. Reads no configuration: `ingest [SECONDS] [TENANTS] [BATCH]`.
//!
//! The load is closed: so many batches are under way at once. It says what the store can take, not
//! how long a caller waits under a given load.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    reason = "a measurement that fails has failed"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio_util::sync::CancellationToken;
use tradepost_metrics::adapters::postgres::{MIGRATOR, PgAnalytics};
use tradepost_metrics::application::Ingest;
use tradepost_metrics::config::AnalyticsConfig;
use tradepost_metrics::domain::{BatchName, EventType, ProducerId};
use tradepost_metrics::metrics::Metrics;
use tradepost_metrics::ports::{
    Batch, DailyQuestion, Event, Events, Observed, Outcome, ReportStore, UpkeepStore,
};
use tradepost_postgres::{Database, idempotency};
use tradepost_service::{Clock, Tasks};
use tradepost_types::TenantId;

const TYPES: usize = 10;
const USERS: u16 = 1_000;
/// Batches under way at once.
const UNDER_WAY: usize = 128;

fn argument(place: usize, default: usize) -> usize {
    let given = std::env::args().nth(place);
    given.map_or(default, |text| text.parse().unwrap())
}

/// A batch of a tenant, of which a few have most: the square of an even chance.
fn draw(random: &mut StdRng, tenants: &[TenantId], sequence: i64, size: usize) -> Batch {
    let chance: f64 = random.random();
    let tenant = tenants[(chance * chance * tenants.len() as f64) as usize];
    let now_ms = i64::try_from(Clock::system().now().unix_timestamp_nanos() / 1_000_000).unwrap();
    let types = (0..TYPES).map(|number| format!("order.event-{number}"));
    let users = (0..USERS).map(|number| format!("user_{number:06}").into());
    let event = |place: u16| Event {
        at_ms: now_ms - random.random_range(0..2_000),
        value: random.random_range(0.5..500.0),
        place,
        event_type: random.random_range(0..TYPES as u16),
        user: random.random_range(0..USERS),
    };
    Batch {
        tenant,
        name: BatchName::Numbered {
            producer: ProducerId::try_from("bench").unwrap(),
            sequence,
        },
        types: types
            .map(|name| EventType::try_from(name.as_str()).unwrap())
            .collect(),
        users: users.collect(),
        events: (0..u16::try_from(size).unwrap()).map(event).collect(),
    }
}

#[tokio::main(flavor = "multi_thread")]
async fn main() {
    let seconds = u64::try_from(argument(1, 20)).unwrap();
    let (tenants, size) = (argument(2, 1_000), argument(3, 1_000));
    let extra = [(idempotency::SCHEMA, &idempotency::MIGRATOR)];
    let test_database = tradepost_testkit::database(&MIGRATOR, &extra).await;
    let database = Database::connect_lazy(&test_database.config(), "bench").unwrap();
    let config = AnalyticsConfig::default();
    let store = Arc::new(PgAnalytics::new(database, config.store()));
    let today = Clock::system().now().date();
    store
        .prepare(today.previous_day().unwrap(), today.next_day().unwrap())
        .await
        .unwrap();
    let shutdown = CancellationToken::new();
    let tasks = Tasks::new(shutdown.clone());
    let events: Events = store.clone();
    let observed: Observed = Arc::new(());
    let ingest = Ingest::start(
        (&events, &observed),
        config.ingest(),
        &Metrics::default(),
        (&tasks, &shutdown),
    );
    let tenants: Vec<TenantId> = (0..tenants).map(|_| TenantId::new()).collect();

    let mut random = StdRng::seed_from_u64(4);
    let began = Instant::now();
    let until = began + Duration::from_secs(seconds);
    let batches =
        futures::stream::iter(1..).take_while(|_| std::future::ready(Instant::now() < until));
    let mut answers = std::pin::pin!(
        batches
            .map(|sequence| {
                let offered = Instant::now();
                let answer = ingest
                    .offer(draw(&mut random, &tenants, sequence, size))
                    .unwrap();
                async move {
                    let stored = answer.await.unwrap().unwrap();
                    assert!(matches!(stored, Outcome::Stored { .. }));
                    offered.elapsed()
                }
            })
            .buffer_unordered(UNDER_WAY)
    );
    let mut waits = Vec::new();
    while let Some(wait) = answers.next().await {
        waits.push(wait);
    }
    let took = began.elapsed();
    waits.sort_unstable();
    let rows = waits.len() * size;
    let rate = rows as f64 / took.as_secs_f64();
    println!(
        "{rows} rows of {} tenants in batches of {size}, {UNDER_WAY} under way",
        tenants.len()
    );
    println!("{rate:.0} rows/s over {:.1} s", took.as_secs_f64());
    println!(
        "a batch waits {:?} (half), {:?} (99 of 100)",
        waits[waits.len() / 2],
        waits[waits.len() * 99 / 100]
    );
    report(&store, today).await;
    shutdown.cancel();
    tasks.drained().await;
}

/// The daily report over all tenants, a page at a time.
async fn report(store: &PgAnalytics, today: time::Date) {
    let question = DailyQuestion {
        plan: None,
        event_type: Some(EventType::try_from("order.event-1").unwrap()),
        since: today.previous_day().unwrap(),
        until: today,
        after: None,
        limit: 101,
    };
    let mut waits = Vec::new();
    for _ in 0..200 {
        let asked = Instant::now();
        let lines = store.daily(&question).await.unwrap();
        waits.push(asked.elapsed());
        assert!(!lines.is_empty());
    }
    waits.sort_unstable();
    println!(
        "the daily report takes {:?} (half), {:?} (99 of 100)",
        waits[100], waits[197]
    );
}
