//! The configuration: one struct, parsed and validated once.

mod cache;
mod live;
mod retention;
mod streams;

use std::time::Duration;

use garde::Validate;
use serde::{Deserialize, Serialize};
use tradepost_messaging::MessagingConfig;
use tradepost_postgres::DatabaseConfig;
use tradepost_redis::RedisConfig;
use tradepost_service::CommonConfig;

pub use cache::CacheConfig;
pub use live::LiveConfig;
pub use retention::RetentionConfig;
pub use streams::{StreamConfig, StreamsConfig};

use crate::application::{ExportLimits, IngestLimits, UpkeepLimits};
use crate::domain::Kept;
use crate::ports::StoreLimits;

/// Everything an operator can choose: `TRADEPOST_METRICS__SECTION__KEY`.
#[derive(Debug, Clone, Deserialize, Serialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct MetricsConfig {
    /// Addresses, limits and telemetry.
    #[garde(dive)]
    #[serde(default)]
    pub server: CommonConfig,
    /// The service's own database.
    #[garde(dive)]
    pub database: DatabaseConfig,
    /// Tenant analytics.
    #[garde(dive)]
    #[serde(default)]
    pub analytics: AnalyticsConfig,
    /// Live aggregates.
    #[garde(dive)]
    #[serde(default)]
    pub live: LiveConfig,
    /// The archive of raw events.
    #[garde(dive)]
    #[serde(default)]
    pub retention: RetentionConfig,
    /// Answers that are kept.
    #[garde(dive)]
    #[serde(default)]
    pub cache: CacheConfig,
    /// The broker, whose facts of orders are counted. Without this section they are not.
    #[garde(dive)]
    #[serde(default)]
    pub messaging: Option<MessagingConfig>,
    /// The Redis that nodes keep answers in, and that streams of events come from.
    #[garde(dive)]
    #[serde(default)]
    pub redis: RedisConfig,
    /// Events that producers write to Redis Streams.
    #[garde(dive, custom(with_redis(&self.redis)))]
    #[serde(default)]
    pub streams: StreamsConfig,
}

fn with_redis(redis: &RedisConfig) -> impl FnOnce(&StreamsConfig, &()) -> garde::Result {
    let has_redis = redis.url.is_some();
    move |streams, _context| {
        if streams.read.is_empty() || has_redis {
            return Ok(());
        }
        Err(garde::Error::new("needs redis.url"))
    }
}

/// Tenant analytics: what is kept how long, and how it gets there.
#[derive(Debug, Clone, Deserialize, Serialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct AnalyticsConfig {
    /// Tasks that write, each with a connection while it writes.
    #[garde(range(min = 1, max = 16))]
    pub writers: usize,
    /// Events that wait or are being written; a batch that would exceed it is refused.
    #[garde(range(min = 50_000, max = 10_000_000))]
    pub queue_events_max: u32,
    /// Of those, how many may be of one tenant.
    #[garde(range(min = 50_000, max = 10_000_000))]
    pub tenant_events_max: u32,
    /// Batches that wait for one writer; half of them may be of one tenant.
    #[garde(range(min = 1, max = 100_000))]
    pub queue_batches_max: usize,
    /// Events after which no further batch joins a transaction.
    #[garde(range(min = 1, max = 200_000))]
    pub group_events_max: usize,
    /// How far apart a writer's transactions begin under load.
    #[garde(range(max = 1_000))]
    pub group_gap_ms: u64,
    /// Batches of one stream that are under way at once.
    #[garde(range(min = 1, max = 1_000))]
    pub stream_batches_max: usize,
    /// Streams that are open at once, half of them of one tenant.
    #[garde(range(min = 1, max = 100_000))]
    pub streams_max: usize,
    /// How long a stream may be open; a right that was taken away ends its streams so much later.
    #[garde(range(min = 1, max = 86_400))]
    pub stream_seconds_max: u64,
    /// The most event types of a tenant; more count as `__other__`.
    #[garde(range(min = 1, max = 30_000))]
    pub event_types_max: i16,
    /// Events from longer ago than this are refused.
    #[garde(range(min = 1, max = 3_650))]
    pub history_days: u16,
    /// For how many days before today partitions are made.
    #[garde(range(max = 3_000))]
    pub days_behind: u16,
    /// For how many days after today partitions are made.
    #[garde(range(min = 1, max = 365))]
    pub days_ahead: u16,
    /// For how many days sums by the minute are kept.
    #[garde(range(min = 1, max = 366))]
    pub minutes_kept_days: u16,
    /// For how many days sums by the hour are kept.
    #[garde(range(min = 1, max = 3_660))]
    pub hours_kept_days: u16,
    /// For how many days it is known which batches were stored; a batch that is sent again, or late,
    /// must come sooner. Keys of batches are promised for 7.
    #[garde(range(min = 7, max = 3_660))]
    pub ledger_kept_days: u16,
    /// Exports that are under way at once, half of them for one tenant. Each holds a connection of the role that serves requests.
    #[garde(range(min = 1, max = 64))]
    pub exports_max: usize,
    /// Rows of one export.
    #[garde(range(min = 1, max = 1_000_000_000))]
    pub export_rows_max: u64,
    /// How long one export may take. For so long the database keeps what it would clear away.
    #[garde(range(min = 1, max = 86_400))]
    pub export_seconds_max: u64,
    /// How often partitions, quarantine and what is past its age are looked after.
    #[garde(range(min = 1, max = 86_400))]
    pub upkeep_seconds: u64,
}

impl Default for AnalyticsConfig {
    fn default() -> Self {
        Self {
            writers: 2,
            queue_events_max: 400_000,
            tenant_events_max: 200_000,
            queue_batches_max: 4_096,
            group_events_max: 20_000,
            group_gap_ms: 20,
            stream_batches_max: 64,
            streams_max: 1_024,
            stream_seconds_max: 900,
            event_types_max: 1_000,
            history_days: 800,
            days_behind: 31,
            days_ahead: 14,
            minutes_kept_days: 7,
            hours_kept_days: 90,
            ledger_kept_days: 30,
            exports_max: 2,
            export_rows_max: 5_000_000,
            export_seconds_max: 900,
            upkeep_seconds: 600,
        }
    }
}

impl AnalyticsConfig {
    /// The limits of the queue and its writers.
    #[must_use]
    pub const fn ingest(&self) -> IngestLimits {
        IngestLimits {
            writers: self.writers,
            queue_events_max: self.queue_events_max,
            tenant_events_max: self.tenant_events_max,
            queue_batches_max: self.queue_batches_max,
            group_events_max: self.group_events_max,
            gap: Duration::from_millis(self.group_gap_ms),
        }
    }

    /// The limits of exports.
    #[must_use]
    pub const fn exports(&self) -> ExportLimits {
        ExportLimits {
            at_once: self.exports_max,
            rows_max: self.export_rows_max,
            time_max: Duration::from_secs(self.export_seconds_max),
        }
    }

    /// The limits of the store.
    #[must_use]
    pub const fn store(&self) -> StoreLimits {
        StoreLimits {
            event_types_max: self.event_types_max,
            kept: self.kept(),
            ledger_kept_days: self.ledger_kept_days,
            history_days: self.history_days,
        }
    }

    /// For how long sums are kept.
    #[must_use]
    pub const fn kept(&self) -> Kept {
        Kept {
            minutes_days: self.minutes_kept_days,
            hours_days: self.hours_kept_days,
        }
    }

    /// What is kept in order, and how often.
    #[must_use]
    pub const fn upkeep(&self) -> UpkeepLimits {
        UpkeepLimits {
            days_behind: self.days_behind,
            days_ahead: self.days_ahead,
            poll: Duration::from_secs(self.upkeep_seconds),
        }
    }
}
