//! A circuit breaker: stops asking a service that fails or crawls, and tries again by single calls.
//!
//! Pure: it is told the time and how calls went. One state, one match; a result that belongs to a
//! state that has passed is ignored.

use std::time::Duration;

use tokio::time::Instant;

/// The window is this many slots of [`SLOT`].
const SLOTS: usize = 10;
/// The length of a slot of the window.
const SLOT: Duration = Duration::from_secs(1);
/// Fewer calls in the window say nothing.
const CALLS_MIN: u32 = 20;
/// It opens when this share of the calls failed.
const FAILED_PERCENT: u32 = 50;
/// It opens when this share of the calls was slow.
const SLOW_PERCENT: u32 = 80;
/// So many trial calls may run at once, and as many must succeed in a row.
const PROBES: u32 = 3;
/// When to come back while trial calls run.
const RETRY_AFTER_PROBES: Duration = Duration::from_secs(1);

/// How a call went, for the service's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    /// It was answered; a refusal is an answer.
    Good,
    /// It was answered, late.
    Slow,
    /// It was not answered.
    Failed,
    /// It says nothing: the caller left, or would not wait.
    Unknown,
}

/// Where the breaker stands, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Calls go through.
    Closed,
    /// Single calls go through, to see.
    HalfOpen,
    /// No call goes through.
    Open,
}

impl Standing {
    /// The text outside.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
        }
    }
}

/// A call that was let through, and in which state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket {
    epoch: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    Open { until: Instant },
    HalfOpen { running: u32, good: u32 },
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    number: u64,
    calls: u32,
    failed: u32,
    slow: u32,
}

/// The breaker of one service.
#[derive(Debug)]
pub(super) struct Breaker {
    open_for: Duration,
    born: Instant,
    state: State,
    /// Grows with every change of the state.
    epoch: u64,
    window: [Slot; SLOTS],
}

impl Breaker {
    /// Closed, and open for `open_for` once it opens.
    pub(super) fn new(open_for: Duration, now: Instant) -> Self {
        Self {
            open_for,
            born: now,
            state: State::Closed,
            epoch: 0,
            window: [Slot::default(); SLOTS],
        }
    }

    pub(super) const fn standing(&self) -> Standing {
        match self.state {
            State::Closed => Standing::Closed,
            State::Open { .. } => Standing::Open,
            State::HalfOpen { .. } => Standing::HalfOpen,
        }
    }

    /// Lets a call through, or says when to come back.
    pub(super) fn admit(&mut self, now: Instant) -> Result<Ticket, Duration> {
        match self.state {
            State::Closed => {}
            State::Open { until } if now < until => return Err(until - now),
            State::Open { .. } => self.enter(State::HalfOpen {
                running: 1,
                good: 0,
            }),
            State::HalfOpen { running, .. } if running >= PROBES => {
                return Err(RETRY_AFTER_PROBES);
            }
            State::HalfOpen { running, good } => {
                self.state = State::HalfOpen {
                    running: running + 1,
                    good,
                };
            }
        }
        Ok(Ticket { epoch: self.epoch })
    }

    /// Takes note of how a call went.
    pub(super) fn settle(&mut self, ticket: Ticket, health: Health, now: Instant) {
        if ticket.epoch != self.epoch {
            return;
        }
        match (self.state, health) {
            (State::Open { .. }, _) | (State::Closed, Health::Unknown) => {}
            (State::Closed, Health::Good | Health::Slow | Health::Failed) => {
                self.count(health, now);
                if self.is_bad(now) {
                    self.open(now);
                }
            }
            (State::HalfOpen { .. }, Health::Slow | Health::Failed) => self.open(now),
            (State::HalfOpen { good, .. }, Health::Good) if good + 1 >= PROBES => {
                self.window = [Slot::default(); SLOTS];
                self.enter(State::Closed);
            }
            (State::HalfOpen { running, good }, Health::Good | Health::Unknown) => {
                self.state = State::HalfOpen {
                    running: running.saturating_sub(1),
                    good: good + u32::from(health == Health::Good),
                };
            }
        }
    }

    fn open(&mut self, now: Instant) {
        self.enter(State::Open {
            until: now + self.open_for,
        });
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.epoch += 1;
    }

    fn slot_number(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.born).as_secs() / SLOT.as_secs()
    }

    fn count(&mut self, health: Health, now: Instant) {
        let number = self.slot_number(now);
        let at = usize::try_from(number).unwrap_or_default() % SLOTS;
        let Some(slot) = self.window.get_mut(at) else {
            return;
        };
        if slot.number != number {
            *slot = Slot {
                number,
                ..Slot::default()
            };
        }
        slot.calls = slot.calls.saturating_add(1);
        slot.failed = slot
            .failed
            .saturating_add(u32::from(health == Health::Failed));
        slot.slow = slot.slow.saturating_add(u32::from(health == Health::Slow));
    }

    fn is_bad(&self, now: Instant) -> bool {
        let number = self.slot_number(now);
        let recent = |slot: &&Slot| number - slot.number.min(number) < SLOTS as u64;
        let (mut calls, mut failed, mut slow) = (0_u64, 0_u64, 0_u64);
        for slot in self.window.iter().filter(recent) {
            calls += u64::from(slot.calls);
            failed += u64::from(slot.failed);
            slow += u64::from(slot.slow);
        }
        calls >= u64::from(CALLS_MIN)
            && (failed * 100 >= calls * u64::from(FAILED_PERCENT)
                || (failed + slow) * 100 >= calls * u64::from(SLOW_PERCENT))
    }
}

#[cfg(test)]
mod tests;
