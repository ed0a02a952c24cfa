//! When to try again, and how long to pause before.

use std::time::Duration;

/// The longest pause a server can ask for.
const ASKED_MAX: Duration = Duration::from_secs(30);

/// How often and with which pauses a call is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Tries, the first one included.
    pub attempts_max: u32,
    /// The longest pause before the second try; it doubles with every further one.
    pub pause_first: Duration,
    /// No pause of our own choice is longer.
    pub pause_max: Duration,
}

impl Default for RetryPolicy {
    /// Patient enough for a service that restarts: 16 to 31 s in all.
    fn default() -> Self {
        Self {
            attempts_max: 13,
            pause_first: Duration::from_millis(50),
            pause_max: Duration::from_secs(5),
        }
    }
}

impl RetryPolicy {
    /// One try.
    pub const ONCE: Self = Self {
        attempts_max: 1,
        pause_first: Duration::ZERO,
        pause_max: Duration::ZERO,
    };

    /// The pause after a failed `attempt` (from 1), or `None` if it was the last. `chance` is a
    /// random number; it spreads the pause over the upper half. A server's wish prolongs it.
    #[must_use]
    pub fn pause(self, attempt: u32, asked: Option<Duration>, chance: u32) -> Option<Duration> {
        if attempt >= self.attempts_max {
            return None;
        }
        let doublings = attempt.saturating_sub(1).min(16);
        let longest = (self.pause_first * 2_u32.pow(doublings)).min(self.pause_max);
        let half = longest / 2;
        let pause = half + half.mul_f64(f64::from(chance) / f64::from(u32::MAX));
        Some(pause.max(asked.unwrap_or_default().min(ASKED_MAX)))
    }
}

/// Whether a status may be another one at the next try. 409 is a state conflict that stays,
/// unless the server itself says when to come back (a concurrent twin of the same key).
pub(super) fn may_pass(status: u16, asked: Option<Duration>) -> bool {
    match status {
        408 | 429 | 500 | 502 | 503 | 504 => true,
        409 => asked.is_some(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLIS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn pauses_double_up_to_the_longest_and_then_end() {
        let policy = RetryPolicy {
            attempts_max: 5,
            pause_first: MILLIS(100),
            pause_max: MILLIS(300),
        };

        let longest = |attempt| policy.pause(attempt, None, u32::MAX);
        let shortest = |attempt| policy.pause(attempt, None, 0);
        assert_eq!(
            [1, 2, 3, 4].map(longest),
            [100, 200, 300, 300].map(|ms| Some(MILLIS(ms)))
        );
        assert_eq!(
            [1, 2, 3, 4].map(shortest),
            [50, 100, 150, 150].map(|ms| Some(MILLIS(ms)))
        );
        assert_eq!(longest(5), None);
        assert_eq!(RetryPolicy::ONCE.pause(1, None, 0), None);
    }

    #[test]
    fn a_server_can_ask_for_more_but_not_for_ever() {
        let pause = |asked| RetryPolicy::default().pause(1, Some(asked), 0);

        assert_eq!(pause(MILLIS(1)), Some(MILLIS(25)));
        assert_eq!(pause(Duration::from_secs(2)), Some(Duration::from_secs(2)));
        assert_eq!(pause(Duration::from_secs(3_600)), Some(ASKED_MAX));
    }

    #[test]
    fn the_default_is_patient_enough_for_a_restart() {
        let policy = RetryPolicy::default();
        let all = |chance| -> Duration {
            (1..)
                .map_while(|attempt| policy.pause(attempt, None, chance))
                .sum()
        };

        assert!(all(0) > Duration::from_secs(15) && all(u32::MAX) < Duration::from_secs(40));
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let soon = Some(MILLIS(10));

        assert!(
            [429, 500, 502, 503, 504]
                .iter()
                .all(|&status| may_pass(status, None))
        );
        assert!(
            [400, 404, 409, 413, 422]
                .iter()
                .all(|&status| !may_pass(status, None))
        );
        assert!(may_pass(409, soon) && !may_pass(422, soon));
    }
}
