//! The highest constant rate that is kept up with: calls come when they are due, whatever became of
//! those before, and no queue grows. That is not the rate of calls each of which waits for another:
//! those come together when the service is slow, and what comes together is cheaper.

use std::num::NonZeroU32;
use std::time::Duration;

use super::brought::Brought;
use super::caller::{Caller, Load};
use crate::bench::target::TargetError;

/// How long a rate is tried.
const TRIED: Duration = Duration::from_millis(1_500);
/// How long the rate that was found has to be held.
const HELD: Duration = Duration::from_secs(10);
/// A queue that grows makes the later half of a try wait longer than this, if the rate is half a
/// percent too high. Hold-ups of the machine do not: few calls meet them.
const MEDIAN_MAX: Duration = Duration::from_millis(5);
/// Where it is looked for, in percent of the rate with calls that wait for others.
const FROM_PERCENT: u32 = 40;
const TO_PERCENT: u32 = 120;
/// Halves of that range: to about 1 %.
const TRIES: u32 = 6;
/// What was held for a moment may be too much for longer; so much less is tried then, in percent.
const BACK_PERCENT: u32 = 3;
const BACKS_MAX: u32 = 5;

/// Looks for it from what went through with calls that wait for others.
///
/// # Errors
/// [`TargetError`]: a call failed, or nothing was kept up with.
pub(super) fn find(
    caller: &mut Caller,
    waiting: f64,
) -> Result<(NonZeroU32, Brought), TargetError> {
    let percent = |percent: u32| rate(waiting * f64::from(percent) / 100.0);
    let (mut kept, mut not_kept) = (percent(FROM_PERCENT), percent(TO_PERCENT));
    for _ in 0..TRIES {
        let middle = rate(f64::midpoint(
            f64::from(kept.get()),
            f64::from(not_kept.get()),
        ));
        let brought = caller.run(Load::Rate(middle), TRIED)?;
        if keeps_up(&brought) {
            kept = middle;
        } else {
            not_kept = middle;
        }
    }
    for back in 0..=BACKS_MAX {
        let less = f64::from(100 - back * BACK_PERCENT) / 100.0;
        let held = rate(f64::from(kept.get()) * less);
        let brought = caller.run(Load::Rate(held), HELD)?;
        if keeps_up(&brought) {
            return Ok((held, brought));
        }
    }
    let message = format!("{kept} calls a second, and less, are too many for {HELD:?}");
    Err(TargetError::Wrong(message))
}

/// Whether every call had its answer, and no queue grew.
fn keeps_up(brought: &Brought) -> bool {
    let median = brought.later_latencies().percentile(50);
    brought.failed == 0 && median.is_some_and(|median| median <= MEDIAN_MAX)
}

/// As a whole number of calls.
pub(super) fn rate(calls: f64) -> NonZeroU32 {
    let whole = u32::try_from(crate::bench::target::whole(calls)).ok();
    whole.and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN)
}
