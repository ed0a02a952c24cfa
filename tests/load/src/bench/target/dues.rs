//! When things are due. Timers of the runtime have a grain of a millisecond, which is as much as
//! what is measured here may take; a thread that sleeps is woken within some 60 us.

use std::num::NonZeroU32;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Time for the runtime to be ready for the first.
const LEAD: Duration = Duration::from_millis(20);

/// The moments of a constant rate over `window`, told as they come, in turn to each of `lanes`.
/// Nobody holds them up: what is told late, or taken late, is late by its own moment.
pub(in crate::bench) fn dues(
    rate: NonZeroU32,
    window: Duration,
    lanes: usize,
) -> Vec<UnboundedReceiver<Instant>> {
    let (senders, receivers): (Vec<_>, Vec<_>) =
        (0..lanes.max(1)).map(|_| unbounded_channel()).unzip();
    let gap = Duration::from_secs(1).as_nanos() / u128::from(rate.get());
    let total = window.as_nanos() / gap.max(1);
    thread::spawn(move || {
        let start = Instant::now() + LEAD;
        for (number, sender) in (0..total).zip(senders.iter().cycle()) {
            let after = u64::try_from(number * gap).unwrap_or(u64::MAX);
            let due = start + Duration::from_nanos(after);
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if sender.send(due).is_err() {
                return;
            }
        }
    });
    receivers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_moment_is_told_once_in_turn_and_not_before_it_comes() {
        let rate = NonZeroU32::new(1_000).unwrap();
        let lanes = dues(rate, Duration::from_millis(50), 2);

        let mut told = Vec::new();
        for mut lane in lanes {
            let mut of_lane = Vec::new();
            while let Some(due) = lane.recv().await {
                assert!(due <= Instant::now());
                of_lane.push(due);
            }
            assert_eq!(of_lane.len(), 25);
            told.extend(of_lane);
        }

        told.sort_unstable();
        assert!(
            told.windows(2)
                .all(|two| two[1] - two[0] == Duration::from_millis(1))
        );
    }
}
