//! How much may be kept, and the proof that it fits the memory that was declared for it.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::{front, ledger, series, tenant};

/// Bounds of a [`MetricsProcessor`](crate::MetricsProcessor). Nothing in it grows past them.
#[derive(Debug, Clone)]
pub struct Config {
    /// Tenants that may be known at once, 1 to 100,000. A tenant is forgotten once nothing of it
    /// is kept.
    pub tenants_max: usize,
    /// Event types of all tenants, 1 to 1,000,000; what comes beyond counts in `__other__`.
    pub series_max: usize,
    /// Event types of one tenant, 1 to 10,000; what comes beyond counts in its `__other__`.
    pub series_per_tenant_max: usize,
    /// Producers of all tenants, 1 to 1,000,000. One is forgotten after a day of silence: what it
    /// sends again is too old by then.
    pub producers_max: usize,
    /// Producers of one tenant, 1 to 100,000.
    pub producers_per_tenant_max: usize,
    /// Memory for sketches, at least 16 MiB. Each of 256 parts of the event types has
    /// its share; where that does not suffice its oldest minutes lose their
    /// percentiles, and nothing else.
    pub sketch_bytes_max: usize,
    /// Memory that all of it may take, at the worst: every series with events in each minute of a
    /// day. A configuration that could take more is refused.
    pub memory_bytes_max: usize,
    /// What tells the time, in milliseconds since 1970, to calls that are not told it.
    pub clock: fn() -> i64,
}

impl Default for Config {
    /// 10,000 series of 2,000 tenants, in 1,120 MiB.
    fn default() -> Self {
        Self {
            tenants_max: 2_000,
            series_max: 10_000,
            series_per_tenant_max: 1_000,
            producers_max: 20_000,
            producers_per_tenant_max: 1_000,
            sketch_bytes_max: 96 << 20,
            memory_bytes_max: 1_120 << 20,
            clock: system_clock,
        }
    }
}

/// Why a configuration is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A bound is outside its range.
    #[error("{name} must be {least} to {most}")]
    OutOfRange {
        /// The field.
        name: &'static str,
        /// The least it may be.
        least: usize,
        /// The most it may be.
        most: usize,
    },
    /// At the worst it would take more memory than was declared.
    #[error("{needed} bytes could be needed, and memory_bytes_max is {declared}")]
    MemoryTooSmall {
        /// What it could take.
        needed: usize,
        /// What it may take.
        declared: usize,
    },
}

impl Config {
    /// The most memory that a processor of this configuration takes, in bytes. Not in it: a
    /// snapshot while it is made, and answers until they are dropped.
    #[must_use]
    pub fn memory_bytes_worst(&self) -> usize {
        // Every tenant has an overflow series besides its own.
        let series = self.series_max.saturating_add(self.tenants_max);
        [
            series.saturating_mul(series::BYTES_MAX),
            series.saturating_mul(tenant::SERIES_BYTES),
            self.tenants_max.saturating_mul(tenant::BYTES_MAX),
            self.producers_max
                .saturating_mul(ledger::PRODUCER_BYTES_MAX),
            self.sketch_bytes_max,
            front::BYTES_MAX,
        ]
        .into_iter()
        .fold(0, usize::saturating_add)
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let ranges = [
            ("tenants_max", self.tenants_max, 1, 100_000),
            ("series_max", self.series_max, 1, 1_000_000),
            (
                "series_per_tenant_max",
                self.series_per_tenant_max,
                1,
                10_000,
            ),
            ("producers_max", self.producers_max, 1, 1_000_000),
            (
                "producers_per_tenant_max",
                self.producers_per_tenant_max,
                1,
                100_000,
            ),
            (
                "sketch_bytes_max",
                self.sketch_bytes_max,
                4 << 20,
                usize::MAX,
            ),
        ];
        for (name, value, least, most) in ranges {
            if !(least..=most).contains(&value) {
                return Err(ConfigError::OutOfRange { name, least, most });
            }
        }
        let (needed, declared) = (self.memory_bytes_worst(), self.memory_bytes_max);
        if needed > declared {
            return Err(ConfigError::MemoryTooSmall { needed, declared });
        }
        Ok(())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the clock, where none is given"
)]
fn system_clock() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
