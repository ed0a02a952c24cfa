//! Every instrument of the service.

mod answers;
mod archive;
mod exports;
mod live;
mod streams;

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use tradepost_telemetry::Registry;

pub use answers::{AnswerMetrics, Refresh, SharedFault, Source};
pub use archive::ArchiveMetrics;
pub use exports::{ExportEnd, ExportMetrics};
pub use live::LiveMetrics;
pub use streams::StreamMetrics;

use crate::ports::{Outcome, StoreError};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Fate {
    fate: &'static str,
}

/// The instruments. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    events: Family<Fate, Counter>,
    quarantined: Gauge<u64, AtomicU64>,
}

impl Metrics {
    /// Registers the instruments.
    #[must_use]
    pub fn register(registry: &Registry) -> Self {
        let metrics = Self::default();
        let help = "Events sent to be stored, by what became of them";
        registry.register("stored_events", help, metrics.events.clone());
        let help = "Events of days without a partition, that wait for one";
        registry.register("quarantined_events", help, metrics.quarantined.clone());
        metrics
    }

    /// Counts what became of the good events of a batch.
    pub fn stored(&self, events: usize, outcome: &Result<Outcome, StoreError>) {
        let events = u64::try_from(events).unwrap_or_default();
        match outcome {
            Ok(Outcome::Stored {
                overflowed,
                quarantined,
            }) => {
                self.count("stored", events);
                self.count("overflowed", u64::from(*overflowed));
                self.count("quarantined", u64::from(*quarantined));
            }
            Ok(Outcome::Duplicate) => self.count("duplicate", events),
            Ok(Outcome::KeyReused) => self.count("key_reused", events),
            Err(_failed) => self.count("failed", events),
        }
    }

    /// Counts events that were refused one by one.
    pub fn rejected(&self, events: u32) {
        self.count("rejected", u64::from(events));
    }

    /// Says how many events are in quarantine.
    pub fn quarantined(&self, events: u64) {
        self.quarantined.set(events);
    }

    fn count(&self, fate: &'static str, events: u64) {
        if events > 0 {
            self.events.get_or_create(&Fate { fate }).inc_by(events);
        }
    }
}
