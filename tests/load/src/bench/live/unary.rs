//! Single events: as many as go through, and how long one takes at half of that.

mod caller;
mod connection;
mod frames;
mod stalls;

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::task::spawn_blocking;

use super::{Options, served};
use crate::bench::process::Process;
use crate::bench::report::{Rows, Unit};
use crate::bench::target::{Draft, Histogram, Target, TargetError, whole};
use crate::samples::{Samples, millis};
use caller::{Brought, Caller, Load};

/// The service's own instrument of calls.
const CALLS: &str = "tradepost_rpc_server_call_duration_seconds";
const METHOD: &str = "MetricsService/ProcessEvent\"";
/// Connections, buffers and series are there before it counts.
const WARM_UP: Duration = Duration::from_millis(500);
/// For how long the machine is watched with nothing at work.
const WATCHED: Duration = Duration::from_secs(1);

const MOST: &str = "single events";
const HALF: &str = "single events at half that rate";

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

pub(super) async fn run(target: &Target, options: &Options) -> Result<Rows, TargetError> {
    let mut rows = Rows::default();
    let mut draw = options.draw();
    let drafts: Vec<Draft> = (0..1_000)
        .map(|_| {
            let tenant = draw.tenant();
            draw.draft(tenant, 1)
        })
        .collect();
    let caller = Caller::connect(target, &drafts)?;
    let (window, under_way) = (options.window(), Load::UnderWay(options.single_under_way));
    let (_, caller) = call(caller, under_way, WARM_UP).await?;
    let process = Process(target.pid);
    let before = process.processor_time();
    let (most, caller) = call(caller, under_way, window).await?;
    let processor = process.processor_time().saturating_sub(before);
    let answers = most.latencies.len() as f64;
    let rate = answers / most.took.as_secs_f64().max(f64::EPSILON);
    rows.median(MOST, rate, Unit::EventsPerSecond);
    let name = format!("{MOST}: service's processor time of one");
    let cost = processor.as_nanos() as f64 / answers.max(1.0);
    rows.median(&name, cost, Unit::Nanoseconds);
    own(&mut rows, MOST, &most);
    let half = u32::try_from(whole(rate / 2.0)).ok();
    let half = half.and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
    let before = Histogram::read(target.admin, CALLS, METHOD).await?;
    let (paced, _) = call(caller, Load::Rate(half), window).await?;
    let after = Histogram::read(target.admin, CALLS, METHOD).await?;
    served(&mut rows, HALF, &after.since(&before));
    let name = "half that rate";
    rows.median(name, f64::from(half.get()), Unit::EventsPerSecond);
    quantiles(&mut rows, HALF, &paced.latencies);
    quantiles(&mut rows, &format!("{HALF}: sent late by"), &paced.late);
    let name = format!("{HALF}: from when it was sent");
    quantiles(&mut rows, &name, &paced.answers);
    own(&mut rows, HALF, &paced);
    Ok(rows)
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
    let calls = brought.latencies.len().max(1) as f64;
    let cost = brought.busy.as_nanos() as f64 / calls;
    let of_one = format!("{name}: load's own time of one, at most");
    rows.median(&of_one, cost, Unit::Nanoseconds);
    let busy = brought.busy.as_secs_f64() / took * 100.0;
    let at_work = format!("{name}: load's thread at work");
    rows.median(&at_work, busy, Unit::Percent);
    let held_up = brought.held_up.as_secs_f64() / took * 100.0;
    let kept = format!("{name}: load's thread kept from looking for over 1 ms");
    rows.median(&kept, held_up, Unit::Percent);
    let failed = format!("{name}: failed");
    rows.worst(&failed, brought.failed as f64, Unit::Requests);
    if let Some(why) = &brought.failure {
        rows.tell(format!("{failed}: {why}"));
    }
}
