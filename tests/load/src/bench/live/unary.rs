//! Single events: as many as go through, and how long one takes at half of that.

mod brought;
mod caller;
mod connection;
mod frames;
mod stalls;
mod sustained;

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::task::spawn_blocking;

use super::{Options, served};
use crate::bench::process::Process;
use crate::bench::report::{Rows, Unit};
use crate::bench::target::{Draft, Histogram, Target, TargetError};
use crate::samples::{Samples, millis};
use brought::Brought;
use caller::{Caller, Load};

/// The service's own instrument of calls.
const CALLS: &str = "tradepost_rpc_server_call_duration_seconds";
const METHOD: &str = "MetricsService/ProcessEvent\"";
/// Connections, buffers and series are there before it counts.
const WARM_UP: Duration = Duration::from_millis(500);
/// How long it is looked what rate to begin a search from.
const TRIED: Duration = Duration::from_secs(2);
/// For how long the machine is watched with nothing at work.
const WATCHED: Duration = Duration::from_secs(1);

const MOST: &str = "single events";
const HALF: &str = "single events at half that rate";
const SUSTAINED: &str = "single events at the highest constant rate";
const HALF_SUSTAINED: &str = "single events at half the highest constant rate";

/// What the machine does to a loop that does nothing.
pub(super) async fn watch_machine() -> Result<Rows, TargetError> {
    let mut rows = Rows::default();
    let watched = beside(|| Ok(stalls::watch(WATCHED))).await?;
    let name = "a loop that does nothing: what is due is late by over 1 ms";
    rows.median(name, watched.percent_late(), Unit::Percent);
    let name = "a loop that does nothing: held up for at most";
    rows.median(name, millis(watched.longest), Unit::Milliseconds);
    Ok(rows)
}

/// As many as go through while so many are under way, and half of that.
pub(super) async fn run(target: &Target, options: &Options) -> Result<Rows, TargetError> {
    let mut rows = Rows::default();
    let caller = connect(target, options)?;
    let (rate, caller) = most(&mut rows, (target, options), caller).await?;
    let half = sustained::rate(rate / 2.0);
    paced(&mut rows, (HALF, target, options), caller, half).await?;
    Ok(rows)
}

/// The highest constant rate, and half of that.
pub(super) async fn run_sustained(target: &Target, options: &Options) -> Result<Rows, TargetError> {
    let mut rows = Rows::default();
    let (waiting, window) = (Load::UnderWay(options.single_under_way), options.window());
    let (warm, caller) = call(connect(target, options)?, waiting, window.min(TRIED)).await?;
    let (found, caller) = beside(move || {
        let mut caller = caller;
        Ok((sustained::find(&mut caller, of_a_second(&warm))?, caller))
    })
    .await?;
    let (rate, held) = found;
    let name = "the highest constant rate";
    rows.median(name, f64::from(rate.get()), Unit::EventsPerSecond);
    quantiles(&mut rows, SUSTAINED, &held.latencies());
    own(&mut rows, SUSTAINED, &held);
    let half = sustained::rate(f64::from(rate.get()) / 2.0);
    paced(&mut rows, (HALF_SUSTAINED, target, options), caller, half).await?;
    Ok(rows)
}

fn connect(target: &Target, options: &Options) -> Result<Caller, TargetError> {
    let mut draw = options.draw();
    let drafts: Vec<Draft> = (0..1_000)
        .map(|_| {
            let tenant = draw.tenant();
            draw.draft(tenant, 1)
        })
        .collect();
    Caller::connect(target, &drafts)
}

/// So many at once, each after the other: how many a second that is.
async fn most(
    rows: &mut Rows,
    (target, options): (&Target, &Options),
    caller: Caller,
) -> Result<(f64, Caller), TargetError> {
    let under_way = Load::UnderWay(options.single_under_way);
    let (_, caller) = call(caller, under_way, WARM_UP).await?;
    let process = Process(target.pid);
    let before = process.processor_time();
    let (most, caller) = call(caller, under_way, options.window()).await?;
    let processor = process.processor_time().saturating_sub(before);
    let rate = of_a_second(&most);
    rows.median(MOST, rate, Unit::EventsPerSecond);
    cost(rows, MOST, processor, &most);
    own(rows, MOST, &most);
    Ok((rate, caller))
}

/// At a constant rate.
async fn paced(
    rows: &mut Rows,
    (name, target, options): (&str, &Target, &Options),
    caller: Caller,
    rate: NonZeroU32,
) -> Result<(), TargetError> {
    let process = Process(target.pid);
    let (before, since) = (
        Histogram::read(target.admin, CALLS, METHOD).await?,
        process.processor_time(),
    );
    let (paced, _) = call(caller, Load::Rate(rate), options.window()).await?;
    let processor = process.processor_time().saturating_sub(since);
    let after = Histogram::read(target.admin, CALLS, METHOD).await?;
    rows.median(
        &format!("{name}: rate"),
        f64::from(rate.get()),
        Unit::EventsPerSecond,
    );
    cost(rows, name, processor, &paced);
    served(rows, name, &after.since(&before));
    quantiles(rows, name, &paced.latencies());
    let undisturbed = paced.undisturbed_latencies();
    let met = paced.answers() - undisturbed.len();
    let percent = met as f64 / paced.answers().max(1) as f64 * 100.0;
    let disturbed = format!("{name}: due or under way in a hold-up of the load's core");
    rows.median(&disturbed, percent, Unit::Percent);
    quantiles(rows, &format!("{name}: of the others"), &undisturbed);
    quantiles(rows, &format!("{name}: sent late by"), &paced.late());
    let since_sent = format!("{name}: from when it was sent");
    quantiles(rows, &since_sent, &paced.since_sent());
    own(rows, name, &paced);
    Ok(())
}

fn of_a_second(brought: &Brought) -> f64 {
    brought.answers() as f64 / brought.took.as_secs_f64().max(f64::EPSILON)
}

fn cost(rows: &mut Rows, name: &str, processor: Duration, brought: &Brought) {
    let cost = processor.as_nanos() as f64 / brought.answers().max(1) as f64;
    let name = format!("{name}: service's processor time of one");
    rows.median(&name, cost, Unit::Nanoseconds);
}

/// Calls on a thread of its own, which gives the caller back.
async fn call(
    mut caller: Caller,
    load: Load,
    window: Duration,
) -> Result<(Brought, Caller), TargetError> {
    beside(move || Ok((caller.run(load, window)?, caller))).await
}

async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, TargetError> + Send + 'static,
) -> Result<T, TargetError> {
    let panicked = |_| TargetError::Wrong("a thread has panicked".to_owned());
    spawn_blocking(work).await.map_err(panicked)?
}

fn quantiles(rows: &mut Rows, name: &str, times: &Samples) {
    for (quantile, permille) in [("p50", 500), ("p99", 990), ("p99.9", 999)] {
        let time = times.permille(permille).map(millis);
        rows.median(&format!("{name}: {quantile}"), time, Unit::Milliseconds);
    }
}

/// What the load did to the figures itself, and what must not happen.
fn own(rows: &mut Rows, name: &str, brought: &Brought) {
    let took = brought.took.as_secs_f64().max(f64::EPSILON);
    let calls = brought.answers().max(1) as f64;
    let cost = brought.busy.as_nanos() as f64 / calls;
    let of_one = format!("{name}: load's own time of one, at most");
    rows.median(&of_one, cost, Unit::Nanoseconds);
    let busy = brought.busy.as_secs_f64() / took * 100.0;
    let at_work = format!("{name}: load's thread at work");
    rows.median(&at_work, busy, Unit::Percent);
    let held_up = brought.held_up().as_secs_f64() / took * 100.0;
    let kept = format!("{name}: load's thread kept from looking for over 1 ms");
    rows.median(&kept, held_up, Unit::Percent);
    let failed = format!("{name}: failed");
    rows.worst(&failed, brought.failed as f64, Unit::Requests);
    if let Some(why) = &brought.failure {
        rows.tell(format!("{failed}: {why}"));
    }
}
