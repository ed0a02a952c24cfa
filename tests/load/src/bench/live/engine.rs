//! The engine alone, in this process: how many events a second it counts, and how long one takes.
//!
//! 1,000 series (10 tenants of 100 event types), picked by a skewed draw, values of four decades.
//! Every event goes through the whole of `process_event`: the clock (a number that is told the time
//! each millisecond) is read, the event type is looked up by its text, second, minute and sketch are
//! counted. Nothing is drawn while it runs.

use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tradepost_aggregation::{BatchId, Config, Event, MetricsProcessor, PackedEvents, Sketch};
use tradepost_types::TenantId;

use crate::bench::report::{Rows, Unit};
use crate::bench::target::{Draw, TargetError, Traffic, now_ms, whole};

const TENANTS: usize = 10;
const TYPES: usize = 100;
const DRAWN: usize = 1 << 16;
/// How often threads look whether it is over.
const STEP: usize = 1_024;
/// One in so many calls is timed, so that the clock of the measurement weighs little.
const TIMED_EVERY: usize = 16;
/// Records of a packed batch.
const PACKED: usize = 10_000;

/// The clock as the service has it: told the time each millisecond, so that no event asks for it.
static CLOCK: AtomicI64 = AtomicI64::new(0);

/// Counts in this process, each part for `window`.
///
/// # Errors
/// [`TargetError::Wrong`]: an event was refused.
pub fn run(window: Duration) -> Result<Rows, TargetError> {
    let over = AtomicI64::new(0);
    CLOCK.store(now_ms(), Ordering::Relaxed);
    thread::scope(|scope| {
        scope.spawn(|| {
            while over.load(Ordering::Relaxed) == 0 {
                CLOCK.store(now_ms(), Ordering::Relaxed);
                thread::sleep(Duration::from_millis(1));
            }
        });
        let rows = measure(window);
        over.store(1, Ordering::Relaxed);
        rows
    })
}

fn measure(window: Duration) -> Result<Rows, TargetError> {
    let load = Load::new();
    let mut rows = Rows::default();
    for threads in [1, 2] {
        let (count, _) = load.single(&fresh()?, window, (threads, Timed::No))?;
        let name = format!("process_event in process, threads: {threads}");
        rows.median(
            &name,
            count as f64 / window.as_secs_f64(),
            Unit::EventsPerSecond,
        );
    }
    let (_, times) = load.single(&fresh()?, window, (2, Timed::Yes))?;
    for (name, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)] {
        let name = format!("process_event in process, 2 threads: {name}");
        rows.median(&name, times.quantile(quantile), Unit::Nanoseconds);
    }
    let rate = load.packed(&fresh()?, window)?;
    rows.median("packed in process, 1 thread", rate, Unit::EventsPerSecond);
    Ok(rows)
}

fn fresh() -> Result<MetricsProcessor, TargetError> {
    let config = Config {
        clock: || CLOCK.load(Ordering::Relaxed),
        ..Config::default()
    };
    MetricsProcessor::new(config).map_err(wrong)
}

fn wrong(error: impl std::fmt::Display) -> TargetError {
    TargetError::Wrong(error.to_string())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Timed {
    Yes,
    No,
}

/// What to count, drawn beforehand.
struct Load {
    tenants: Vec<TenantId>,
    types: Vec<String>,
    /// Tenant, event type, value.
    drawn: Vec<(usize, usize, f64)>,
}

impl Load {
    fn new() -> Self {
        let mut draw = Draw::new(Traffic {
            tenants: TENANTS,
            types: TYPES,
            users: 1,
            seed: 7,
        });
        let drawn = (0..DRAWN).map(|_| {
            let tenant = draw.chance();
            let tenant = whole(tenant * tenant * TENANTS as f64);
            (tenant, draw.event_type(), draw.value())
        });
        Self {
            drawn: drawn.collect(),
            tenants: draw.tenants().to_vec(),
            types: draw.types().to_vec(),
        }
    }

    /// Counts single events on so many threads: how many, and how long they took in nanoseconds.
    fn single(
        &self,
        processor: &MetricsProcessor,
        window: Duration,
        (threads, timed): (usize, Timed),
    ) -> Result<(usize, Sketch), TargetError> {
        let start = Instant::now();
        thread::scope(|scope| {
            let thread = |thread: usize| {
                scope.spawn(move || {
                    let (mut at, mut times) = (thread * DRAWN / 2, Sketch::new());
                    let first = at;
                    while start.elapsed() < window {
                        self.step(processor, at, (timed, &mut times))?;
                        at += STEP;
                    }
                    Ok::<_, TargetError>((at - first, times))
                })
            };
            let threads: Vec<_> = (0..threads).map(thread).collect();
            let (mut count, mut times) = (0, Sketch::new());
            for thread in threads {
                let panicked = |_| wrong("a thread has panicked");
                let (counted, timed) = thread.join().map_err(panicked)??;
                count += counted;
                times.merge(&timed);
            }
            Ok((count, times))
        })
    }

    fn step(
        &self,
        processor: &MetricsProcessor,
        from: usize,
        (timed, times): (Timed, &mut Sketch),
    ) -> Result<(), TargetError> {
        let time_ms = now_ms();
        for at in from..from + STEP {
            let Some((tenant, event)) = self.event(at, time_ms) else {
                return Err(wrong("nothing is drawn"));
            };
            if timed == Timed::Yes && at.is_multiple_of(TIMED_EVERY) {
                let before = Instant::now();
                processor.process_event(tenant, &event).map_err(wrong)?;
                times
                    .add(before.elapsed().as_nanos() as f64)
                    .map_err(wrong)?;
            } else {
                processor.process_event(tenant, &event).map_err(wrong)?;
            }
        }
        Ok(())
    }

    fn event(&self, at: usize, time_ms: i64) -> Option<(TenantId, Event<'_>)> {
        let (tenant, kind, value) = *self.drawn.get(at % DRAWN)?;
        let event = Event {
            time_ms,
            user_id: "",
            event_type: self.types.get(kind)?,
            value,
        };
        Some((*self.tenants.get(tenant)?, event))
    }

    /// Counts packed batches on one thread; records a second.
    fn packed(&self, processor: &MetricsProcessor, window: Duration) -> Result<f64, TargetError> {
        let mut records = Vec::with_capacity(PACKED * 20);
        for (_, kind, value) in self.drawn.iter().take(PACKED) {
            records.extend([0; 4]);
            records.extend(u32::try_from(*kind).unwrap_or(0).to_le_bytes());
            records.extend([0; 4]);
            records.extend(value.to_le_bytes());
        }
        let tenant = *self.tenants.first().ok_or_else(|| wrong("no tenant"))?;
        let (start, mut sequence) = (Instant::now(), 0);
        while start.elapsed() < window {
            sequence += 1;
            let id = BatchId {
                tenant,
                producer: "bench",
                sequence,
            };
            let events = PackedEvents {
                base_time_ms: now_ms(),
                event_types: &self.types,
                user_ids: &[],
                records: &records,
            };
            let receipt = processor
                .process_packed(id, events, now_ms())
                .map_err(wrong)?;
            if receipt.accepted as usize != PACKED {
                return Err(wrong("records were refused"));
            }
        }
        Ok(sequence as f64 * PACKED as f64 / start.elapsed().as_secs_f64())
    }
}
