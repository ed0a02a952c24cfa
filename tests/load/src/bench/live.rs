//! Live counting: the engine in this process, and the service over gRPC, on the same cores as the
//! load.

mod engine;
mod memory;
mod steady;
mod unary;

use std::num::NonZeroU32;
use std::time::Duration;

use tradepost_proto::metrics::v1 as pb;

use super::process::Process;
use super::report::{Rows, Unit};
use super::target::{self, Draw, Histogram, Pool, Sent, Target, TargetError, Traffic, Wire};

pub use engine::run as run_engine;
pub use memory::memory;
pub use steady::{Steady, stop_under_load};

/// Batches that are made beforehand.
const POOL: usize = 256;
/// Batches of which each tenant has at least one go first, so that all series are there.
const SEED: u64 = 4;

/// What load.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How long each part lasts.
    pub seconds: NonZeroU32,
    /// Tenants, by Zipf's law.
    pub tenants: usize,
    /// Event types of each.
    pub types: usize,
    /// Events of a batch that is read as it is.
    pub readable: usize,
    /// Events of a packed batch.
    pub packed: usize,
    /// Single events that are under way at once.
    pub single_under_way: usize,
    /// Events a second at which the service's processor time is measured.
    pub rate: NonZeroU32,
}

impl Options {
    fn window(&self) -> Duration {
        Duration::from_secs(self.seconds.get().into())
    }

    fn draw(&self) -> Draw {
        Draw::new(Traffic {
            tenants: self.tenants,
            types: self.types,
            users: 1_000,
            seed: SEED,
        })
    }

    /// Batches of so many events.
    fn pool(&self, draw: &mut Draw, wire: Wire, events: usize) -> Pool {
        let drafts = (0..POOL).map(|_| {
            let tenant = draw.tenant();
            draw.draft(tenant, events)
        });
        Pool::new(wire, drafts.collect())
    }
}

/// Batches as they are read, and packed ones, as many as the service takes.
///
/// # Errors
/// [`TargetError`].
pub async fn run_streams(target: &Target, options: &Options) -> Result<Rows, TargetError> {
    let mut rows = Rows::default();
    let mut draw = options.draw();
    let forms = [
        ("prost batches", Wire::Readable, options.readable),
        ("packed batches", Wire::Packed, options.packed),
    ];
    for (name, wire, events) in forms {
        let pool = options.pool(&mut draw, wire, events);
        // Connections, buffers and series are there before it counts.
        flood(target, &pool, Duration::from_millis(300)).await?;
        let sent = flood(target, &pool, options.window()).await?;
        rows.median(name, sent.rate(), Unit::EventsPerSecond);
        let cost = sent.processor.as_nanos() as f64 / sent.accepted as f64;
        let of_one = format!("{name}: service's processor time of an event");
        rows.median(&of_one, cost, Unit::Nanoseconds);
        tell(&mut rows, name, &sent);
    }
    Ok(rows)
}

/// The service's processor time at a constant rate of batches as they are read.
///
/// # Errors
/// [`TargetError`].
pub async fn run_processor(target: &Target, options: &Options) -> Result<Rows, TargetError> {
    let mut rows = Rows::default();
    let mut draw = options.draw();
    let forms = [
        ("prost", Wire::Readable, options.readable),
        ("packed", Wire::Packed, options.readable),
    ];
    for (form, wire, events) in forms {
        let pool = options.pool(&mut draw, wire, events);
        let rate = batches(options.rate, events);
        let sent = paced(target, &pool, rate, options.window()).await?;
        let name = format!("at {} events/s in {form} batches", options.rate);
        let percent = format!("{name}: service's processor, of one core");
        rows.median(&percent, sent.percent_of_core(), Unit::Percent);
        latencies(&mut rows, &name, &sent);
        tell(&mut rows, &name, &sent);
    }
    Ok(rows)
}

/// The core that the service has to itself when single events are sent.
pub const SERVICE_CORE: usize = 0;

/// Keeps this process off that core.
pub fn pin() {
    Process(std::process::id()).pin(SERVICE_CORE + 1);
}

/// Lets it run on all cores again.
pub fn unpin() {
    Process(std::process::id()).unpin();
}

/// How a loop on each core that does nothing is held up by the machine: less than that no latency
/// can be.
///
/// # Errors
/// [`TargetError`].
pub async fn watch_machine() -> Result<Rows, TargetError> {
    unary::watch_machine().await
}

/// Single events.
///
/// # Errors
/// [`TargetError`].
pub async fn run_unary(target: &Target, options: &Options) -> Result<Rows, TargetError> {
    unary::run(target, options).await
}

/// Single events at constant rates.
///
/// # Errors
/// [`TargetError`].
pub async fn run_sustained(target: &Target, options: &Options) -> Result<Rows, TargetError> {
    unary::run_sustained(target, options).await
}

async fn flood(target: &Target, pool: &Pool, window: Duration) -> Result<Sent, TargetError> {
    target::flood::<pb::ProcessEventsResponse>(target, pool, window).await
}

async fn paced(
    target: &Target,
    pool: &Pool,
    rate: NonZeroU32,
    window: Duration,
) -> Result<Sent, TargetError> {
    target::paced::<pb::ProcessEventsResponse>(target, pool, (rate, 1), window).await
}

/// Batches a second for so many events a second.
fn batches(rate: NonZeroU32, events: usize) -> NonZeroU32 {
    let events = u32::try_from(events).unwrap_or(u32::MAX).max(1);
    NonZeroU32::new(rate.get() / events).unwrap_or(NonZeroU32::MIN)
}

fn latencies(rows: &mut Rows, name: &str, sent: &Sent) {
    for (quantile, percent) in [("p50", 500), ("p99", 990), ("p99.9", 999)] {
        let time = sent.latencies.permille(percent).map(crate::samples::millis);
        rows.median(&format!("{name}: {quantile}"), time, Unit::Milliseconds);
    }
}

/// How long the service itself says that it took.
fn served(rows: &mut Rows, name: &str, own: &Histogram) {
    let bound = own.p99_at_most().map(|seconds| seconds * 1e3);
    let p99 = format!("{name}: p99 by the service's clock, at most");
    rows.median(&p99, bound, Unit::Milliseconds);
    let within = format!("{name}: below 1 ms by the service's clock");
    rows.median(&within, own.percent_within(0.001), Unit::Percent);
}

/// What must not happen.
fn tell(rows: &mut Rows, name: &str, sent: &Sent) {
    let refused = format!("{name}: refused");
    rows.worst(&refused, sent.refused as f64, Unit::Events);
    let ended = format!("{name}: streams that broke");
    rows.worst(&ended, sent.ended.len() as f64, Unit::Requests);
    sent.ended
        .iter()
        .for_each(|why| rows.tell(format!("{name}: {why}")));
}
