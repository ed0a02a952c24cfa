//! Instruments of files that are taken away.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use tradepost_telemetry::Registry;

/// From a page of sums to the longest that may be.
const BUCKETS: [f64; 8] = [0.1, 0.5, 2.0, 10.0, 30.0, 120.0, 600.0, 1_800.0];

/// How an export ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportEnd {
    /// The file is whole.
    Whole,
    /// Its reader went.
    Left,
    /// It is more than one may have, or than there is room for.
    Refused,
    /// What should be in it could not be read or written.
    Failed,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    outcome: &'static str,
}

/// The instruments. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ExportMetrics {
    ended: Family<Ended, Counter>,
    rows: Counter,
    bytes: Counter,
    duration: Histogram,
}

impl Default for ExportMetrics {
    fn default() -> Self {
        Self {
            ended: Family::default(),
            rows: Counter::default(),
            bytes: Counter::default(),
            duration: Histogram::new(BUCKETS),
        }
    }
}

impl ExportMetrics {
    /// Registers the instruments.
    #[must_use]
    pub fn register(registry: &Registry) -> Self {
        let metrics = Self::default();
        let help =
            "Exports by how they ended: left is a reader that went, refused one that was too much";
        registry.register("exports", help, metrics.ended.clone());
        let help = "Rows written into files of exports, whole or not";
        registry.register("export_rows", help, metrics.rows.clone());
        let help = "Bytes written into files of exports, whole or not";
        registry.register("export_bytes", help, metrics.bytes.clone());
        let help = "How long exports took that were begun, however they ended";
        registry.register_seconds("export_duration", help, metrics.duration.clone());
        metrics
    }

    /// Counts an export that has ended or did not begin.
    pub fn ended(&self, end: ExportEnd) {
        let outcome = match end {
            ExportEnd::Whole => "whole",
            ExportEnd::Left => "left",
            ExportEnd::Refused => "refused",
            ExportEnd::Failed => "failed",
        };
        self.ended.get_or_create(&Ended { outcome }).inc();
    }

    /// How long one took.
    pub fn took(&self, time: Duration) {
        self.duration.observe(time.as_secs_f64());
    }

    /// Counts rows that were written.
    pub fn rows(&self, rows: u64) {
        self.rows.inc_by(rows);
    }

    /// Counts bytes that were written.
    pub fn bytes(&self, bytes: usize) {
        self.bytes.inc_by(bytes as u64);
    }
}
