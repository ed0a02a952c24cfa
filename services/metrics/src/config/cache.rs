//! How long answers are kept, where, and how old one may be.

use std::time::Duration;

use garde::Validate;
use serde::{Deserialize, Serialize};

use crate::application::AnswerLimits;

/// Refreshes that run at once, beside the calls.
const REFRESHES_MAX: usize = 4;

/// Answers of analytics that are kept. Nodes share them in Redis (`redis.url`), if there is one.
#[derive(Debug, Clone, Deserialize, Serialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct CacheConfig {
    /// How old an answer may be, in milliseconds. Up to then it is given without a look at the
    /// database, and renewed beside the calls; 0: every answer has all that was committed when it
    /// was asked for.
    #[garde(range(max = 60_000))]
    pub stale_ms: u64,
    /// Memory for answers, in MiB.
    #[garde(range(min = 1, max = 4_096))]
    pub memory_mib_max: u64,
    /// Larger answers are not kept, in KiB.
    #[garde(range(min = 1, max = 4_096))]
    pub answer_kib_max: usize,
    /// For how long answers are kept that reach into yesterday, today or later; writes replace them
    /// all the time.
    #[garde(range(min = 1, max = 86_400))]
    pub open_seconds: u64,
    /// For how long answers are kept that are about days before yesterday.
    #[garde(range(min = 1, max = 604_800))]
    pub closed_seconds: u64,
    /// How long Redis may take each time; then the answer is computed.
    #[garde(range(min = 1, max = 1_000))]
    pub redis_budget_ms: u64,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            stale_ms: 1_000,
            memory_mib_max: 32,
            answer_kib_max: 256,
            open_seconds: 30,
            closed_seconds: 3_600,
            redis_budget_ms: 5,
        }
    }
}

impl CacheConfig {
    /// The limits of the use case.
    #[must_use]
    pub const fn limits(&self) -> AnswerLimits {
        AnswerLimits {
            stale: Duration::from_millis(self.stale_ms),
            refresh_after: Duration::from_millis(self.stale_ms / 2),
            memory_bytes_max: self.memory_mib_max * 1_024 * 1_024,
            answer_bytes_max: self.answer_kib_max * 1_024,
            open_for: Duration::from_secs(self.open_seconds),
            closed_for: Duration::from_secs(self.closed_seconds),
            refreshes_max: REFRESHES_MAX,
        }
    }

    /// How long Redis may take.
    #[must_use]
    pub const fn redis_budget(&self) -> Duration {
        Duration::from_millis(self.redis_budget_ms)
    }
}
