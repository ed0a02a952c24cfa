//! The instruments of live counting.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use tradepost_aggregation::{Receipt, Usage};
use tradepost_telemetry::Registry;

use super::Fate;

type Figure = Gauge<u64, AtomicU64>;

/// From 50 us to a quarter of a second.
const BATCH_BUCKETS: [f64; 12] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
];

/// The instruments. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LiveMetrics {
    events: Family<Fate, Counter>,
    batch_duration: Histogram,
    tenants: Figure,
    series: Figure,
    producers: Figure,
    sketch_bytes: Figure,
    snapshot_bytes: Figure,
    snapshot_duration: Gauge<f64, AtomicU64>,
    snapshots_failed: Counter,
    peers_silent: Counter,
}

impl Default for LiveMetrics {
    fn default() -> Self {
        Self {
            events: Family::default(),
            batch_duration: Histogram::new(BATCH_BUCKETS),
            tenants: Figure::default(),
            series: Figure::default(),
            producers: Figure::default(),
            sketch_bytes: Figure::default(),
            snapshot_bytes: Figure::default(),
            snapshot_duration: Gauge::default(),
            snapshots_failed: Counter::default(),
            peers_silent: Counter::default(),
        }
    }
}

impl LiveMetrics {
    /// Registers the instruments.
    #[must_use]
    pub fn register(registry: &Registry) -> Self {
        let metrics = Self::default();
        let help = "Events sent to be counted live, by what became of them";
        registry.register("live_events", help, metrics.events.clone());
        let help = "Time to count a batch, from its message to its receipt, pacing included";
        registry.register_seconds("live_batch_duration", help, metrics.batch_duration.clone());
        registry.register(
            "live_tenants",
            "Tenants that are known",
            metrics.tenants.clone(),
        );
        let help = "Event types of all tenants";
        registry.register("live_series", help, metrics.series.clone());
        let help = "Producers whose batches are known";
        registry.register("live_producers", help, metrics.producers.clone());
        let help = "Memory that percentiles take";
        registry.register("live_sketch_bytes", help, metrics.sketch_bytes.clone());
        let help = "Size of the last snapshot";
        registry.register("live_snapshot_bytes", help, metrics.snapshot_bytes.clone());
        let help = "How long the last snapshot took";
        registry.register_seconds(
            "live_snapshot_duration",
            help,
            metrics.snapshot_duration.clone(),
        );
        let help = "Snapshots that could not be stored";
        registry.register(
            "live_snapshots_failed",
            help,
            metrics.snapshots_failed.clone(),
        );
        let help = "Questions to other nodes that were not answered";
        registry.register("live_peers_silent", help, metrics.peers_silent.clone());
        metrics
    }

    /// Says how long a batch of a stream took.
    pub fn batch_took(&self, took: Duration) {
        self.batch_duration.observe(took.as_secs_f64());
    }

    /// Counts what became of a batch of so many events.
    pub fn batch(&self, receipt: &Receipt, events: usize) {
        if receipt.duplicate {
            self.count("duplicate", u64::try_from(events).unwrap_or_default());
        }
        self.count("counted", u64::from(receipt.accepted));
        self.count("late", u64::from(receipt.late));
        self.count("overflowed", u64::from(receipt.overflowed));
        self.count("rejected", u64::from(receipt.rejected));
        self.count("missed", u64::from(receipt.missed));
    }

    /// Counts events that were stored when nothing was counted any more.
    pub fn missed(&self, events: usize) {
        self.count("missed", u64::try_from(events).unwrap_or_default());
    }

    /// Counts what became of one event: `fate` is a word of a fixed set.
    pub fn event(&self, fate: &'static str) {
        self.count(fate, 1);
    }

    /// Says what is held.
    pub fn usage(&self, usage: Usage) {
        let figures = [
            (&self.tenants, usage.tenants),
            (&self.series, usage.series),
            (&self.producers, usage.producers),
            (&self.sketch_bytes, usage.sketch_bytes),
        ];
        for (figure, value) in figures {
            figure.set(u64::try_from(value).unwrap_or_default());
        }
    }

    /// Says that a snapshot was stored.
    pub fn snapshot_stored(&self, bytes: usize, took: Duration) {
        self.snapshot_bytes
            .set(u64::try_from(bytes).unwrap_or_default());
        self.snapshot_duration.set(took.as_secs_f64());
    }

    /// Counts a snapshot that was not stored.
    pub fn snapshot_failed(&self) {
        self.snapshots_failed.inc();
    }

    /// Counts another node that did not answer.
    pub fn peer_silent(&self) {
        self.peers_silent.inc();
    }

    fn count(&self, fate: &'static str, events: u64) {
        if events > 0 {
            self.events.get_or_create(&Fate { fate }).inc_by(events);
        }
    }
}
