//! Load at a constant rate. Request number i is due at i / rate seconds, and its latency counts
//! from that moment, not from when a connection was free to send it: a shop that stalls pays for
//! everybody who would have waited (no coordinated omission).

use std::cell::{Cell, RefCell};
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use futures::future::join_all;
use tokio::time::Instant;

use crate::gateway::CallError;
use crate::samples::Samples;

/// How much load, for how long, over how many connections.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Requests a second.
    pub rate: NonZeroU32,
    /// For how long requests fall due.
    pub seconds: NonZeroU32,
    /// Requests on their way at once; further ones wait for a connection, and that time counts.
    pub connections: NonZeroUsize,
}

impl Pace {
    /// How many requests that are.
    #[must_use]
    pub fn total(self) -> u64 {
        u64::from(self.rate.get()) * u64::from(self.seconds.get())
    }

    /// When request number `index` is due, from the start.
    fn due(self, index: u64) -> Duration {
        let nanos = u128::from(index) * 1_000_000_000 / u128::from(self.rate.get());
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn window(self) -> Duration {
        Duration::from_secs(self.seconds.get().into())
    }
}

/// What a load brought.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// From the moment a request was due to its good answer.
    pub(super) latencies: Samples,
    /// Requests without a good answer.
    pub(super) failed: u64,
    /// The first of them.
    pub(super) failure: Option<String>,
    /// The longest time a request was sent after it was due.
    pub(super) late_max: Duration,
    /// From the start to the last answer.
    pub(super) took: Duration,
    /// From the end of the window to the last answer.
    pub(super) drain: Duration,
}

impl Outcome {
    /// Good answers a second.
    pub(super) fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.took.as_secs_f64().max(f64::EPSILON)
    }

    /// Good answers a second of the window; equals the offered rate when all went well.
    pub(super) fn rate_in(&self, pace: Pace) -> f64 {
        self.latencies.len() as f64 / pace.window().as_secs_f64()
    }
}

/// Sends all requests and waits for all answers.
pub(super) async fn run<F>(pace: Pace, send: impl Fn(u64) -> F) -> Outcome
where
    F: Future<Output = Result<(), CallError>>,
{
    let started = Instant::now();
    let next = Cell::new(0);
    let outcome = RefCell::new(Outcome::default());
    let connection = || async {
        while next.get() < pace.total() {
            let index = next.replace(next.get() + 1);
            let due = started + pace.due(index);
            tokio::time::sleep_until(due).await;
            let late = due.elapsed();
            let answer = send(index).await;
            outcome.borrow_mut().count(answer, due.elapsed(), late);
        }
    };
    join_all((0..pace.connections.get()).map(|_| connection())).await;
    let mut outcome = outcome.into_inner();
    outcome.took = started.elapsed();
    outcome.drain = outcome.took.saturating_sub(pace.window());
    outcome
}

impl Outcome {
    fn count(&mut self, answer: Result<(), CallError>, latency: Duration, late: Duration) {
        self.late_max = self.late_max.max(late);
        match answer {
            Ok(()) => self.latencies.push(latency),
            Err(error) => {
                self.failed += 1;
                self.failure.get_or_insert_with(|| error.to_string());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(rate: u32, connections: usize) -> Pace {
        Pace {
            rate: rate.try_into().unwrap(),
            seconds: NonZeroU32::MIN,
            connections: connections.try_into().unwrap(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn every_request_is_sent_once_when_it_is_due() {
        let sent = RefCell::new(Vec::new());
        let started = Instant::now();

        let outcome = run(pace(10, 4), |index| {
            sent.borrow_mut()
                .push((index, started.elapsed().as_millis() / 100));
            std::future::ready(Ok(()))
        })
        .await;

        let expected: Vec<_> = (0..10).map(|index| (index, u128::from(index))).collect();
        assert_eq!(*sent.borrow(), expected);
        assert_eq!(outcome.latencies.len(), 10);
        assert_eq!(outcome.drain, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stall_counts_for_all_who_were_due_in_it() {
        let outcome = run(pace(10, 1), |index| async move {
            if index == 0 {
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
            Ok(())
        })
        .await;

        let shortest = outcome.latencies.percentile(1).unwrap();
        assert!(shortest >= Duration::from_millis(1_100), "{shortest:?}");
        assert!(outcome.late_max >= Duration::from_millis(1_900));
        assert!(outcome.drain >= Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_no_latency() {
        let outcome = run(pace(10, 2), |index| async move {
            if index % 2 == 0 {
                return Err(CallError::Unreachable(format!("number {index}")));
            }
            Ok(())
        })
        .await;

        assert_eq!((outcome.latencies.len(), outcome.failed), (5, 5));
        assert!(outcome.failure.unwrap().ends_with("number 0"));
    }
}
