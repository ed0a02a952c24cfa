//! What is said of a request: whether it is within its limits, and how much is left of them.

use std::time::Duration;

use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::domain::gcra::{Quota, Wait};

/// `RateLimit-Policy` of draft-ietf-httpapi-ratelimit-headers-11: how much, over which time.
pub const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// `RateLimit` of the same draft: what is left, and for how long.
pub const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// Whether a request is within its limits, and what is left of the one that is closest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    policy: &'static str,
    quota: Quota,
    remaining: u32,
    reset_us: u64,
    refused: Option<Wait>,
}

/// A bucket as a request found it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) policy: &'static str,
    /// As the caller was promised.
    pub(super) quota: Quota,
    /// As it is counted here: a share of it, perhaps.
    pub(super) counted: Quota,
    pub(super) backlog_us: u64,
}

impl Decision {
    /// Decides by one bucket of a request.
    pub(super) fn of(found: &Found, cost: u32) -> Self {
        let Found {
            policy,
            quota,
            counted,
            backlog_us,
        } = *found;
        let charged = counted.charge(backlog_us, cost);
        let backlog_us = charged.unwrap_or(backlog_us);
        Self {
            policy,
            quota,
            remaining: counted.remaining(backlog_us),
            reset_us: match charged {
                Ok(backlog_us) => counted.reset_us(backlog_us),
                Err(wait) => wait.wait_us,
            },
            refused: charged.err(),
        }
    }

    /// Of two buckets the one that says more: all have to admit a request, so the longest wait
    /// counts; if they do, the least that is left.
    pub(super) fn closer(self, other: Self) -> Self {
        let rank = |decision: &Self| {
            let left = u32::MAX - decision.remaining;
            (decision.refused, left, decision.reset_us)
        };
        if rank(&other) > rank(&self) {
            other
        } else {
            self
        }
    }

    /// The same, but admitted.
    pub(super) const fn admitted(self) -> Self {
        Self {
            refused: None,
            ..self
        }
    }

    /// Whether the request has to be refused.
    #[must_use]
    pub const fn is_refused(&self) -> bool {
        self.refused.is_some()
    }

    /// When a refused request may come back; `None` for one that is within.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.refused.map(|wait| Duration::from_micros(wait.wait_us))
    }

    /// How many more requests would be admitted now.
    #[must_use]
    pub const fn remaining(&self) -> u32 {
        self.remaining
    }

    /// `RateLimit-Policy` and `RateLimit`, and for a refused request `Retry-After`.
    pub fn write(&self, headers: &mut HeaderMap) {
        let Self { policy, quota, .. } = self;
        let window = quota.period().seconds();
        let policy_text = format!("\"{policy}\";q={};w={window}", quota.limit());
        let reset = whole_seconds(self.reset_us);
        let left_text = format!("\"{policy}\";r={};t={reset}", self.remaining);
        for (name, text) in [(RATE_LIMIT_POLICY, policy_text), (RATE_LIMIT, left_text)] {
            if let Ok(value) = HeaderValue::try_from(text) {
                headers.insert(name, value);
            }
        }
        if let Some(wait) = self.refused {
            headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(wait.wait_us)));
        }
    }

    /// The three headers.
    #[must_use]
    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(3);
        self.write(&mut headers);
        headers
    }
}

/// Never less than it is: who comes back too early is refused again.
const fn whole_seconds(us: u64) -> u64 {
    us.div_ceil(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::gcra::Period;

    fn found(policy: &'static str, limit: u32, backlog_us: u64) -> Found {
        let quota = Quota::new(limit, Period::Minute);
        Found {
            policy,
            quota,
            counted: quota,
            backlog_us,
        }
    }

    fn both(one: &Found, other: &Found) -> Decision {
        Decision::of(one, 1).closer(Decision::of(other, 1))
    }

    fn texts(decision: &Decision) -> Vec<(String, String)> {
        let headers = decision.headers();
        let text = |(name, value): (&HeaderName, &HeaderValue)| {
            (name.to_string(), value.to_str().unwrap().to_owned())
        };
        headers.iter().map(text).collect()
    }

    fn pairs(texts: &[(&str, &str)]) -> Vec<(String, String)> {
        let own = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        texts.iter().map(own).collect()
    }

    #[test]
    fn the_lowest_remaining_is_shown() {
        let (tenant, user) = (found("tenant", 10_000, 0), found("user", 1_000, 30_000_000));

        let decision = both(&tenant, &user);

        assert_eq!(
            texts(&decision),
            pairs(&[
                ("ratelimit-policy", "\"user\";q=1000;w=60"),
                ("ratelimit", "\"user\";r=499;t=31"),
            ])
        );
    }

    #[test]
    fn a_refusal_says_the_same_time_twice() {
        let (tenant, user) = (
            found("tenant", 6, 60_000_000),
            found("user", 1_000, 59_999_999),
        );

        let decision = both(&user, &tenant);

        assert_eq!(
            texts(&decision),
            pairs(&[
                ("ratelimit-policy", "\"tenant\";q=6;w=60"),
                ("ratelimit", "\"tenant\";r=0;t=10"),
                ("retry-after", "10"),
            ])
        );
    }

    #[test]
    fn the_last_request_is_told_when_the_next_may_come() {
        let decision = Decision::of(&found("user", 6, 50_000_000), 1);

        assert!(!decision.is_refused());
        let left = pairs(&[("ratelimit", "\"user\";r=0;t=10")]);
        assert_eq!(texts(&decision)[1..], left);
    }
}
