//! Live aggregates: how much is kept, how fast tenants may be, and where it survives a restart.

use std::path::PathBuf;
use std::time::Duration;

use garde::Validate;
use serde::{Deserialize, Serialize};
use tradepost_aggregation::Config as EngineConfig;

use crate::application::LiveLimits;

/// Live aggregates.
#[derive(Debug, Clone, Deserialize, Serialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct LiveConfig {
    /// The file that keeps what was counted over a restart: one for each node, on a disk that
    /// outlives the process. Without it a restart begins with nothing.
    #[garde(skip)]
    pub snapshot_path: Option<PathBuf>,
    /// How often it is written, and so how much a crash loses of what producers do not send again.
    #[garde(range(min = 1, max = 3_600))]
    pub snapshot_seconds: u64,
    /// Events a second that each tenant may send to this node.
    #[garde(range(min = 100, max = 100_000_000))]
    pub tenant_events_per_second: u32,
    /// Streams that are open at once, of producers and of watchers together; half of them may be
    /// of one tenant.
    #[garde(range(min = 1, max = 10_000))]
    pub streams_max: usize,
    /// How long a stream may be open; a right that was taken away ends its streams so much later.
    #[garde(range(min = 1, max = 86_400))]
    pub stream_seconds_max: u64,
    /// Questions that are worked on at once; others wait.
    #[garde(range(min = 1, max = 64))]
    pub questions_max: usize,
    /// The URLs of the other nodes' gRPC ports, which are asked for their part of an answer.
    #[garde(length(max = 64))]
    pub peers: Vec<String>,
    /// How long another node has for its part.
    #[garde(range(min = 10, max = 10_000))]
    pub peer_timeout_ms: u64,
    /// Tenants that are known at once.
    #[garde(skip)]
    pub tenants_max: usize,
    /// Event types of all tenants; what comes beyond counts in `__other__`.
    #[garde(skip)]
    pub series_max: usize,
    /// Event types of one tenant; what comes beyond counts in `__other__`.
    #[garde(skip)]
    pub series_per_tenant_max: usize,
    /// Producers of all tenants.
    #[garde(skip)]
    pub producers_max: usize,
    /// Producers of one tenant.
    #[garde(skip)]
    pub producers_per_tenant_max: usize,
    /// Memory for percentiles, in MiB; where it does not suffice the oldest minutes lose theirs.
    #[garde(range(min = 16, max = 1_000_000))]
    pub sketch_mib_max: usize,
    /// Memory for all of it at the worst, in MiB. The service does not start with bounds that could
    /// take more.
    #[garde(range(min = 64, max = 1_000_000))]
    pub memory_mib_max: usize,
}

impl Default for LiveConfig {
    fn default() -> Self {
        let engine = EngineConfig::default();
        Self {
            snapshot_path: None,
            snapshot_seconds: 10,
            tenant_events_per_second: 2_000_000,
            streams_max: 256,
            stream_seconds_max: 900,
            questions_max: 2,
            peers: Vec::new(),
            peer_timeout_ms: 500,
            tenants_max: engine.tenants_max,
            series_max: engine.series_max,
            series_per_tenant_max: engine.series_per_tenant_max,
            producers_max: engine.producers_max,
            producers_per_tenant_max: engine.producers_per_tenant_max,
            sketch_mib_max: engine.sketch_bytes_max >> 20,
            memory_mib_max: engine.memory_bytes_max >> 20,
        }
    }
}

impl LiveConfig {
    /// The bounds of the engine.
    #[must_use]
    pub fn engine(&self) -> EngineConfig {
        EngineConfig {
            tenants_max: self.tenants_max,
            series_max: self.series_max,
            series_per_tenant_max: self.series_per_tenant_max,
            producers_max: self.producers_max,
            producers_per_tenant_max: self.producers_per_tenant_max,
            sketch_bytes_max: self.sketch_mib_max << 20,
            memory_bytes_max: self.memory_mib_max << 20,
            ..EngineConfig::default()
        }
    }

    /// The limits of the use case.
    #[must_use]
    pub const fn limits(&self) -> LiveLimits {
        LiveLimits {
            tenant_events_per_second: self.tenant_events_per_second,
            tenants_max: self.tenants_max,
            snapshot_every: Duration::from_secs(self.snapshot_seconds),
        }
    }
}
