//! Redis Streams: which are read, whose events may be in them, and how much is taken at once.

use std::time::Duration;

use garde::Validate;
use serde::{Deserialize, Serialize};
use tradepost_types::TenantId;

/// The word for whatever tenant an entry names.
const ANY: &str = "*";

/// Events that producers write to Redis Streams. Whoever can write a stream is believed for the
/// tenants that are listed for it.
#[derive(Debug, Clone, Deserialize, Serialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct StreamsConfig {
    /// The streams; none: nothing is read.
    #[garde(dive, length(max = 64))]
    pub read: Vec<StreamConfig>,
    /// The consumer group, made if it is not there.
    #[garde(length(bytes, min = 1, max = 128))]
    pub group: String,
    /// The consumer's name in the group: one of its own for each process, the same after a restart.
    #[garde(length(bytes, min = 1, max = 128))]
    pub consumer: String,
    /// Entries that are taken at once.
    #[garde(range(min = 1, max = 1_000))]
    pub entries_max: usize,
    /// A larger entry is refused, once it is here: Redis sends it whole, so that this does not bound
    /// the memory that a stream takes.
    #[garde(range(min = 1_024, max = 16_777_216))]
    pub entry_bytes_max: usize,
    /// How long a read waits for entries.
    #[garde(range(min = 10, max = 60_000))]
    pub block_ms: u64,
    /// After so long without an acknowledgement an entry is taken from its consumer.
    #[garde(range(min = 100, max = 3_600_000))]
    pub claim_after_ms: u64,
    /// Whether entries stay in the stream after they were stored: for streams that others read too,
    /// and that their producers keep short.
    #[garde(skip)]
    pub keep_taken: bool,
    /// Refused entries that are kept in a dead-letter stream, about; the oldest go.
    #[garde(range(min = 1, max = 10_000_000))]
    pub dead_max: usize,
}

/// One stream.
#[derive(Debug, Clone, Deserialize, Serialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct StreamConfig {
    /// Its key.
    #[garde(length(bytes, min = 1, max = 512))]
    pub key: String,
    /// The tenants that its entries may name, or `*` alone for any.
    #[garde(length(min = 1, max = 10_000), custom(are_tenants))]
    pub tenants: Vec<String>,
}

impl Default for StreamsConfig {
    fn default() -> Self {
        Self {
            read: Vec::new(),
            group: "metrics".to_owned(),
            consumer: "metrics-1".to_owned(),
            entries_max: 64,
            entry_bytes_max: 2 << 20,
            block_ms: 2_000,
            claim_after_ms: 60_000,
            keep_taken: false,
            dead_max: 10_000,
        }
    }
}

impl StreamsConfig {
    /// How long a read waits for entries.
    #[must_use]
    pub const fn block(&self) -> Duration {
        Duration::from_millis(self.block_ms)
    }

    /// After how long an entry is taken from a consumer that died with it.
    #[must_use]
    pub const fn claim_after(&self) -> Duration {
        Duration::from_millis(self.claim_after_ms)
    }
}

impl StreamConfig {
    /// The tenants whose events may be in it; none: any tenant's.
    #[must_use]
    pub fn tenants(&self) -> Option<Vec<TenantId>> {
        let named = self.tenants.iter().map(|tenant| tenant.parse().ok());
        named.collect()
    }
}

fn are_tenants(tenants: &[String], (): &()) -> garde::Result {
    let is_any = matches!(tenants, [only] if only == ANY);
    if is_any || tenants.iter().all(|each| each.parse::<TenantId>().is_ok()) {
        return Ok(());
    }
    Err(garde::Error::new("must be ids of tenants, or * alone"))
}
