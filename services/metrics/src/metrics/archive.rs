//! Instruments of the archive.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use tradepost_telemetry::Registry;

use crate::domain::DayState;
use crate::ports::ArchiveSummary;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: &'static str,
}

/// The instruments of the archive. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct ArchiveMetrics {
    days: Family<State, Gauge<u64, AtomicU64>>,
    rows: Gauge<u64, AtomicU64>,
    bytes: Gauge<u64, AtomicU64>,
    failures: Counter,
}

impl ArchiveMetrics {
    /// Registers the instruments.
    #[must_use]
    pub fn register(registry: &Registry) -> Self {
        let metrics = Self::default();
        let help = "Days on their way out of the database or back, by where they stand";
        registry.register("archive_days", help, metrics.days.clone());
        let help = "Events that are in archived files and nowhere else";
        registry.register("archive_rows", help, metrics.rows.clone());
        let help = "Bytes of the archived files that answer";
        registry.register("archive_bytes", help, metrics.bytes.clone());
        let help = "Runs of the archiver that could not end, and days whose files were not right";
        registry.register("archive_failures", help, metrics.failures.clone());
        metrics
    }

    /// Something could not be done.
    pub fn failed(&self) {
        self.failures.inc();
    }

    /// How the archive stands.
    pub fn stand(&self, summary: &ArchiveSummary) {
        for state in DayState::WORDS {
            let days = summary.days.iter().find(|(word, _)| word == state);
            let days = days.map_or(0, |(_, days)| days.unsigned_abs());
            self.days.get_or_create(&State { state }).set(days);
        }
        self.rows.set(summary.rows.unsigned_abs());
        self.bytes.set(summary.bytes.unsigned_abs());
    }
}
