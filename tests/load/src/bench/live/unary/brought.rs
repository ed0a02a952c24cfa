//! What calls brought, and which of them met a hold-up of the load itself.
//!
//! The thread that calls looks at the clock between all that it does, so a gap between two looks is
//! time in which it was not let to run: a loop that does nothing, on the same core, would have been
//! held up by it too. What the machine did to the service's core meanwhile does not show here.

use std::time::{Duration, Instant};

use super::connection::{Ended, How};
use crate::samples::Samples;

/// What the thread does between two looks takes far less.
const HELD_UP: Duration = Duration::from_micros(500);

/// What calls brought.
#[derive(Debug)]
pub(super) struct Brought {
    answered: Vec<Answered>,
    hold_ups: Vec<HoldUp>,
    started: Instant,
    looked: Instant,
    pub(super) failed: u64,
    pub(super) failure: Option<String>,
    /// From the start to the last answer.
    pub(super) took: Duration,
    /// How long the thread had something to do.
    pub(super) busy: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Answered {
    due: Instant,
    sent: Instant,
    at: Instant,
}

/// The thread looked at its start and at its end, and not between.
#[derive(Debug, Clone, Copy)]
struct HoldUp {
    from: Instant,
    to: Instant,
}

impl Brought {
    /// With room for so many calls: to make it later would hold up the thread.
    pub(super) fn new(started: Instant, room: usize) -> Self {
        Self {
            answered: Vec::with_capacity(room),
            hold_ups: Vec::new(),
            started,
            looked: started,
            failed: 0,
            failure: None,
            took: Duration::ZERO,
            busy: Duration::ZERO,
        }
    }

    /// Looks at the clock.
    pub(super) fn look(&mut self) -> Instant {
        self.looked_at(Instant::now());
        self.looked
    }

    fn looked_at(&mut self, now: Instant) {
        if now - self.looked > HELD_UP {
            self.hold_ups.push(HoldUp {
                from: self.looked,
                to: now,
            });
        }
        self.looked = now;
    }

    pub(super) fn count(&mut self, ended: Ended) {
        let why = match ended.how {
            How::Answered => {
                self.answered.push(Answered {
                    due: ended.due,
                    sent: ended.sent,
                    at: Instant::now(),
                });
                return;
            }
            How::Refused => "it was refused".to_owned(),
            How::Reset(code) => format!("it was reset: {code}"),
        };
        self.failed += 1;
        self.failure.get_or_insert(why);
    }

    pub(super) fn answers(&self) -> usize {
        self.answered.len()
    }

    /// From when a call was due to its answer.
    pub(super) fn latencies(&self) -> Samples {
        self.each(Answered::latency)
    }

    /// The same of calls that were due in the second half of the time.
    pub(super) fn later_latencies(&self) -> Samples {
        let last = self.answered.iter().map(|call| call.due).max();
        let middle = last.map_or(self.started, |last| {
            self.started + (last - self.started) / 2
        });
        let later = self.answered.iter().filter(|call| call.due >= middle);
        later.map(Answered::latency).collect()
    }

    /// The same of calls that were neither due nor under way in a hold-up of the thread.
    pub(super) fn undisturbed_latencies(&self) -> Samples {
        let calls = self.answered.iter();
        let undisturbed = calls.filter(|call| !self.hold_ups.iter().any(|met| met.by(call)));
        undisturbed.map(Answered::latency).collect()
    }

    /// From when it was due until it was sent: what the load is late by.
    pub(super) fn late(&self) -> Samples {
        self.each(|call| call.sent.saturating_duration_since(call.due))
    }

    /// From when it was sent to its answer.
    pub(super) fn since_sent(&self) -> Samples {
        self.each(|call| call.at.saturating_duration_since(call.sent))
    }

    /// How long the thread could not look at all, as far as that was over a millisecond at once.
    pub(super) fn held_up(&self) -> Duration {
        let gaps = self.hold_ups.iter().map(|held| held.to - held.from);
        gaps.map(|gap| gap.saturating_sub(Duration::from_millis(1)))
            .sum()
    }

    fn each(&self, time: impl Fn(&Answered) -> Duration) -> Samples {
        self.answered.iter().map(time).collect()
    }
}

impl Answered {
    fn latency(&self) -> Duration {
        self.at.saturating_duration_since(self.due)
    }
}

impl HoldUp {
    fn by(&self, call: &Answered) -> bool {
        call.due < self.to && call.at > self.from
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(started: Instant, micros: u64) -> Instant {
        started + Duration::from_micros(micros)
    }

    fn brought(calls: &[(u64, u64)]) -> Brought {
        let started = Instant::now();
        let mut brought = Brought::new(started, 0);
        brought.answered = calls
            .iter()
            .map(|&(due, answered)| Answered {
                due: at(started, due),
                sent: at(started, due),
                at: at(started, answered),
            })
            .collect();
        brought
    }

    fn look(brought: &mut Brought, micros: u64) {
        brought.looked_at(at(brought.started, micros));
    }

    #[test]
    fn a_call_that_was_due_or_under_way_in_a_hold_up_is_disturbed() {
        // Before it, over its beginning, due in it, after it.
        let mut brought = brought(&[(0, 90), (50, 960), (500, 970), (1_000, 1_060)]);
        for micros in [50, 100, 950, 1_000] {
            look(&mut brought, micros);
        }

        let undisturbed = brought.undisturbed_latencies().into_times();

        let micros: Vec<_> = undisturbed.iter().map(Duration::as_micros).collect();
        assert_eq!(micros, [90, 60]);
        assert_eq!(brought.latencies().len(), 4);
    }

    #[test]
    fn looks_close_together_are_no_hold_up() {
        let mut brought = brought(&[(0, 2_000)]);
        for micros in [400, 800, 1_300, 1_800, 2_000] {
            look(&mut brought, micros);
        }

        assert_eq!(brought.undisturbed_latencies().len(), 1);
        assert_eq!(brought.held_up(), Duration::ZERO);
    }

    #[test]
    fn what_was_held_up_counts_beyond_a_millisecond() {
        let mut brought = brought(&[]);
        for micros in [900, 4_900, 5_000] {
            look(&mut brought, micros);
        }

        assert_eq!(brought.held_up(), Duration::from_millis(3));
    }

    #[test]
    fn the_later_half_is_by_when_calls_were_due() {
        let brought = brought(&[(0, 10), (400, 900), (500, 520), (1_000, 1_030)]);

        let later = brought.later_latencies().into_times();

        let micros: Vec<_> = later.iter().map(Duration::as_micros).collect();
        assert_eq!(micros, [20, 30]);
    }
}
