//! What an answer means, and when the next attempt is due.

use std::time::Duration;

/// The wait after the first, second, ... attempt.
const PAUSES_SECONDS: [u64; 9] = [
    5,
    5 * 60,
    30 * 60,
    2 * 3_600,
    5 * 3_600,
    10 * 3_600,
    14 * 3_600,
    20 * 3_600,
    24 * 3_600,
];
/// Attempts of a delivery.
pub const ATTEMPTS_MAX: u32 = 10;
/// By how much a wait is drawn out at most, in thousandths: endpoints that failed together are not
/// called again together.
pub const JITTER_PERMILLE_MAX: u32 = 100;
/// The longest wait that an endpoint may ask for.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3_600);

/// "The resource is gone and it is not expected back": the endpoint wants no more.
const GONE: u16 = 410;

/// What is to be done after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing: the endpoint took it.
    Delivered,
    /// Another attempt after this time.
    Again(Duration),
    /// Nothing: that was the last attempt.
    Failed,
    /// Nothing, and the endpoint is to be sent nothing more.
    Gone,
}

/// What is to be done after that many attempts, of which the last was answered with `status`, if it
/// was answered. `retry_after` is what the endpoint asked for; `jitter_permille` is chance.
#[must_use]
pub fn verdict(
    attempts: u32,
    status: Option<u16>,
    retry_after: Option<Duration>,
    jitter_permille: u32,
) -> Verdict {
    match status {
        Some(200..=299) => return Verdict::Delivered,
        Some(GONE) => return Verdict::Gone,
        Some(_) | None => {}
    }
    let made = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
    let Some(&seconds) = PAUSES_SECONDS.get(made) else {
        return Verdict::Failed;
    };
    let pause = Duration::from_secs(seconds);
    let jitter = pause * jitter_permille.min(JITTER_PERMILLE_MAX) / 1_000;
    let asked = retry_after.unwrap_or_default().min(RETRY_AFTER_MAX);
    Verdict::Again((pause + jitter).max(asked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_success_ends_it_whatever_the_attempt() {
        for attempts in [1, 10] {
            for status in [200, 202, 204, 299] {
                assert_eq!(verdict(attempts, Some(status), None, 0), Verdict::Delivered);
            }
        }
    }

    #[test]
    fn gone_ends_it_at_once() {
        assert_eq!(verdict(1, Some(410), None, 0), Verdict::Gone);
    }

    #[test]
    fn other_answers_and_none_are_tried_again_by_the_schedule_and_then_fail() {
        for status in [
            None,
            Some(199),
            Some(301),
            Some(400),
            Some(404),
            Some(429),
            Some(503),
        ] {
            let pauses: Vec<_> = (1..=ATTEMPTS_MAX)
                .map(|attempts| verdict(attempts, status, None, 0))
                .collect();

            let wanted = PAUSES_SECONDS.map(|seconds| Verdict::Again(Duration::from_secs(seconds)));
            assert_eq!(pauses[..9], wanted);
            assert_eq!(pauses[9], Verdict::Failed);
        }
    }

    #[test]
    fn chance_draws_a_wait_out_by_a_tenth_at_most() {
        let drawn = |permille| verdict(2, None, None, permille);

        assert_eq!(drawn(100), Verdict::Again(Duration::from_secs(330)));
        assert_eq!(drawn(5_000), Verdict::Again(Duration::from_secs(330)));
    }

    #[test]
    fn an_endpoint_may_ask_for_more_time_up_to_a_day_and_never_for_less() {
        let asked = |seconds| verdict(2, Some(503), Some(Duration::from_secs(seconds)), 0);

        assert_eq!(asked(1), Verdict::Again(Duration::from_secs(300)));
        assert_eq!(asked(3_600), Verdict::Again(Duration::from_secs(3_600)));
        assert_eq!(asked(1_000_000), Verdict::Again(RETRY_AFTER_MAX));
    }
}
