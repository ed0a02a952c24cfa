//! How many events a second the engine counts, and how long one takes:
//! `cargo run --release -p tradepost-aggregation --example throughput`.
//!
//! 1,000 series (10 tenants of 100 event types), picked by a skewed draw, values of four decades.
//! Every event goes through the whole of `process_event`: the clock (a number that is told
//! the time each millisecond) is read, the event type is
//! looked up by its text, second, minute and sketch are counted. Nothing is drawn while it runs.

#![allow(clippy::print_stdout, reason = "a program that prints")]
#![allow(clippy::disallowed_methods, reason = "it makes events that happen now")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a measurement fails by panicking, and counts small things"
)]

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tradepost_aggregation::{BatchId, Config, Event, MetricsProcessor, PackedEvents, Sketch};
use tradepost_types::TenantId;

const TENANTS: usize = 10;
const TYPES: usize = 100;
const DRAWN: usize = 1 << 16;
const RUN: Duration = Duration::from_secs(2);
/// One in so many calls is timed, so that the clock of the measurement weighs little.
const TIMED_EVERY: usize = 16;

/// What to count, drawn beforehand.
struct Load {
    tenants: Vec<TenantId>,
    types: Vec<String>,
    drawn: Vec<(usize, usize, f64)>,
}

impl Load {
    fn new(mut seed: u64) -> Self {
        // Steele and Vigna's SplitMix64.
        let mut draw = move || {
            seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut bits = seed;
            bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
        };
        let drawn = (0..DRAWN)
            .map(|_| {
                let (tenant, kind) = (draw().powi(2), draw().powi(2));
                let value = 10.0_f64.powf(draw() * 2.0 + draw() * 2.0);
                (
                    (tenant * TENANTS as f64) as usize,
                    (kind * TYPES as f64) as usize,
                    value,
                )
            })
            .collect();
        Self {
            tenants: (0..TENANTS).map(|_| TenantId::new()).collect(),
            types: (0..TYPES)
                .map(|kind| format!("page.viewed.{kind}"))
                .collect(),
            drawn,
        }
    }

    fn event(&self, at: usize, time_ms: i64) -> (TenantId, Event<'_>) {
        let (tenant, kind, value) = self.drawn[at % DRAWN];
        let event = Event {
            time_ms,
            user_id: "",
            event_type: &self.types[kind],
            value,
        };
        (self.tenants[tenant], event)
    }
}

/// The clock as the service has it: told the time each millisecond, so that no event asks for it.
static CLOCK: AtomicI64 = AtomicI64::new(0);

fn fresh() -> MetricsProcessor {
    let clock = || CLOCK.load(Ordering::Relaxed);
    MetricsProcessor::new(Config {
        clock,
        ..Config::default()
    })
    .unwrap()
}

fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_millis() as i64
}

/// Counts single events on so many threads; events a second of all of them.
fn single(processor: &MetricsProcessor, load: &Load, threads: usize) -> f64 {
    let start = Instant::now();
    let counted: usize = std::thread::scope(|scope| {
        let count = |thread: usize| {
            let (mut at, mut counted) = (thread * DRAWN / 2, 0);
            while start.elapsed() < RUN {
                let time_ms = now_ms();
                for _ in 0..1_024 {
                    let (tenant, event) = load.event(at, time_ms);
                    processor.process_event(tenant, &event).unwrap();
                    at += 1;
                }
                counted += 1_024;
            }
            counted
        };
        let threads: Vec<_> = (0..threads)
            .map(|thread| scope.spawn(move || count(thread)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    counted as f64 / start.elapsed().as_secs_f64()
}

/// How long single calls take in nanoseconds, on two threads.
fn times(processor: &MetricsProcessor, load: &Load) -> Sketch {
    let start = Instant::now();
    std::thread::scope(|scope| {
        let count = |thread: usize| {
            let mut times = Sketch::new();
            let mut at = thread * DRAWN / 2;
            while start.elapsed() < RUN {
                let time_ms = now_ms();
                for step in 0..1_024 {
                    let (tenant, event) = load.event(at, time_ms);
                    if step % TIMED_EVERY == 0 {
                        let before = Instant::now();
                        processor.process_event(tenant, &event).unwrap();
                        times.add(before.elapsed().as_nanos() as f64).unwrap();
                    } else {
                        processor.process_event(tenant, &event).unwrap();
                    }
                    at += 1;
                }
            }
            times
        };
        let threads: Vec<_> = (0..2)
            .map(|thread| scope.spawn(move || count(thread)))
            .collect();
        let mut all = Sketch::new();
        threads
            .into_iter()
            .for_each(|thread| all.merge(&thread.join().unwrap()));
        all
    })
}

/// Counts packed batches of 10,000 records on one thread; records a second.
fn packed(processor: &MetricsProcessor, load: &Load) -> f64 {
    let records: Vec<u8> = load.drawn[..10_000]
        .iter()
        .flat_map(|(_, kind, value)| {
            let mut record = [0; 20];
            record[4..8].copy_from_slice(&(*kind as u32).to_le_bytes());
            record[12..].copy_from_slice(&value.to_le_bytes());
            record
        })
        .collect();
    let start = Instant::now();
    let mut sequence = 0;
    while start.elapsed() < RUN {
        sequence += 1;
        let id = BatchId {
            tenant: load.tenants[0],
            producer: "bench",
            sequence,
        };
        let events = PackedEvents {
            base_time_ms: now_ms(),
            event_types: &load.types,
            user_ids: &[],
            records: &records,
        };
        let receipt = processor.process_packed(id, events, now_ms()).unwrap();
        assert_eq!(receipt.accepted, 10_000);
    }
    sequence as f64 * 10_000.0 / start.elapsed().as_secs_f64()
}

/// Bytes of memory that this process has, by the kernel.
fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4_096
}

/// What 10,000 series take after a minute of 100,000 events a second.
fn memory(load: &Load) -> usize {
    let before = resident_bytes();
    let processor = fresh();
    let types: Vec<_> = (0..1_000)
        .map(|kind| format!("page.viewed.{kind}"))
        .collect();
    let start_ms = now_ms();
    for at in 0..6_000_000_usize {
        let (_, _, value) = load.drawn[at % DRAWN];
        let time_ms = start_ms + (at / 100) as i64;
        // 7,919 is a prime, so that all series come in turn.
        let series = at * 7_919 % 10_000;
        let event = Event {
            time_ms,
            user_id: "",
            event_type: &types[series % 1_000],
            value,
        };
        processor
            .process_event_at(load.tenants[series / 1_000], &event, time_ms)
            .unwrap();
    }
    assert_eq!(processor.usage().series, 10_000);
    resident_bytes() - before
}

fn main() {
    CLOCK.store(now_ms(), Ordering::Relaxed);
    std::thread::spawn(|| {
        loop {
            CLOCK.store(now_ms(), Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    let load = Load::new(7);
    let million = 1_000_000.0;
    for threads in [1, 2] {
        let processor = fresh();
        let rate = single(&processor, &load, threads) / million;
        println!("process_event, {threads} thread(s): {rate:.1} M events/s");
    }
    let processor = fresh();
    let times = times(&processor, &load);
    for (name, q) in [
        ("p50", 0.5),
        ("p99", 0.99),
        ("p99.9", 0.999),
        ("p99.99", 0.9999),
    ] {
        println!(
            "process_event, 2 threads, {name}: {:.0} ns",
            times.quantile(q).unwrap()
        );
    }
    let processor = fresh();
    let rate = packed(&processor, &load) / million;
    println!("packed batches, 1 thread: {rate:.1} M events/s");
    let mib = memory(&load) >> 20;
    println!("10,000 series after a minute of 100,000 events/s: {mib} MiB");
}
