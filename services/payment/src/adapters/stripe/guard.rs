//! Keeps us from hammering a provider in trouble: a circuit breaker and a shared retry budget.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Calls in a window before the breaker judges.
const CALLS_MIN: u32 = 20;
/// How long a window is.
const WINDOW: Duration = Duration::from_secs(10);
/// How long the breaker stays open before it lets one call through.
const OPEN_FOR: Duration = Duration::from_secs(2);
/// What a retry costs and a success earns, in tenths.
const RETRY_COST: u32 = 10;
const SUCCESS_EARNS: u32 = 1;
const TOKENS_MAX: u32 = 100;

#[derive(Debug)]
enum State {
    Closed {
        since: Instant,
        calls: u32,
        failed: u32,
    },
    Open {
        until: Instant,
    },
    /// One call is on its way to find out; if it never reports, another may after this time.
    HalfOpen {
        until: Instant,
    },
}

/// Opens when half of the calls of a window failed; then lets single calls find out.
#[derive(Debug)]
pub(super) struct Breaker(Mutex<State>);

impl Default for Breaker {
    fn default() -> Self {
        Self(Mutex::new(closed(Instant::now())))
    }
}

const fn closed(since: Instant) -> State {
    State::Closed {
        since,
        calls: 0,
        failed: 0,
    }
}

impl Breaker {
    /// Whether a call may be made now.
    pub(super) fn admit(&self) -> bool {
        self.admit_at(Instant::now())
    }

    /// Notes how a call went.
    pub(super) fn note(&self, ok: bool) {
        self.note_at(ok, Instant::now());
    }

    fn admit_at(&self, now: Instant) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match *state {
            State::Closed { .. } => true,
            State::Open { until } | State::HalfOpen { until } if now < until => false,
            State::Open { .. } | State::HalfOpen { .. } => {
                let until = now + WINDOW;
                *state = State::HalfOpen { until };
                true
            }
        }
    }

    fn note_at(&self, ok: bool, now: Instant) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *state {
            State::Closed {
                since,
                calls,
                failed,
            } => {
                if now.duration_since(*since) > WINDOW {
                    (*since, *calls, *failed) = (now, 0, 0);
                }
                *calls += 1;
                *failed += u32::from(!ok);
                if *calls >= CALLS_MIN && *failed * 2 >= *calls {
                    let until = now + OPEN_FOR;
                    *state = State::Open { until };
                }
            }
            State::HalfOpen { .. } if ok => *state = closed(now),
            State::HalfOpen { .. } => {
                let until = now + OPEN_FOR;
                *state = State::Open { until };
            }
            // A straggler from before.
            State::Open { .. } => {}
        }
    }
}

/// Retries of all calls together stay at a tenth of the successes.
#[derive(Debug)]
pub(super) struct RetryBudget(Mutex<u32>);

impl Default for RetryBudget {
    fn default() -> Self {
        Self(Mutex::new(TOKENS_MAX))
    }
}

impl RetryBudget {
    /// A call succeeded.
    pub(super) fn earn(&self) {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *tokens = (*tokens + SUCCESS_EARNS).min(TOKENS_MAX);
    }

    /// Whether a retry may be made; then it is paid for.
    pub(super) fn spend(&self) -> bool {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = tokens.checked_sub(RETRY_COST);
        *tokens = left.unwrap_or(*tokens);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_breaker_opens_on_half_failed_and_closes_on_a_good_probe() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        for call in 0..CALLS_MIN {
            breaker.note_at(call % 2 == 0, now);
        }

        assert!(!breaker.admit_at(now));
        assert!(breaker.admit_at(now + OPEN_FOR), "the probe");
        assert!(!breaker.admit_at(now + OPEN_FOR), "one probe only");

        breaker.note_at(true, now + OPEN_FOR);
        assert!(breaker.admit_at(now + OPEN_FOR));
    }

    #[test]
    fn a_failed_probe_opens_it_again() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        for _ in 0..CALLS_MIN {
            breaker.note_at(false, now);
        }
        assert!(breaker.admit_at(now + OPEN_FOR));

        breaker.note_at(false, now + OPEN_FOR);

        assert!(!breaker.admit_at(now + OPEN_FOR));
    }

    #[test]
    fn retries_run_out_and_come_back_with_ten_successes() {
        let budget = RetryBudget::default();
        while budget.spend() {}

        for _ in 0..9 {
            budget.earn();
        }
        assert!(!budget.spend());
        budget.earn();

        assert!(budget.spend());
    }
}
