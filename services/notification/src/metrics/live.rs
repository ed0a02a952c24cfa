//! Instruments of connections.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use tradepost_telemetry::Registry;

/// From a millisecond, which is this machine's own part, to a minute, which is a bad network's.
const LATENCY_SECONDS: [f64; 14] = [
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 20.0, 60.0,
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Code {
    code: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// The instruments. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LiveMetrics {
    connections: Gauge<u64, AtomicU64>,
    opened: Counter,
    refused: Family<Reason, Counter>,
    closed: Family<Code, Counter>,
    delivered: Counter,
    silent: Counter,
    signals: Family<Outcome, Counter>,
    resumed: Family<Outcome, Counter>,
    kept: Gauge<u64, AtomicU64>,
    latency: Histogram,
}

impl Default for LiveMetrics {
    fn default() -> Self {
        Self {
            connections: Gauge::default(),
            opened: Counter::default(),
            refused: Family::default(),
            closed: Family::default(),
            delivered: Counter::default(),
            silent: Counter::default(),
            signals: Family::default(),
            resumed: Family::default(),
            kept: Gauge::default(),
            latency: Histogram::new(LATENCY_SECONDS),
        }
    }
}

impl LiveMetrics {
    /// Registers the instruments.
    #[must_use]
    pub fn register(registry: &Registry) -> Self {
        let metrics = Self::default();
        let help = "Open connections";
        registry.register("live_connections", help, metrics.connections.clone());
        let help = "Connections that were welcomed";
        registry.register("live_opened", help, metrics.opened.clone());
        let help = "Connections refused before they were opened, by reason";
        registry.register("live_refused", help, metrics.refused.clone());
        let help = "Connections that ended, by the code this side gave; 0: by the client";
        registry.register("live_closed", help, metrics.closed.clone());
        let help = "Durable notifications given to connections";
        registry.register("live_delivered", help, metrics.delivered.clone());
        let help =
            "Durable notifications given to connections that must not be interrupted by them";
        registry.register("live_silent", help, metrics.silent.clone());
        let help =
            "Ephemeral notifications, by whether a connection had room for them and wanted them";
        registry.register("live_signals", help, metrics.signals.clone());
        let help = "Streams at the begin of a connection, by whether it resumed";
        registry.register("live_resumed", help, metrics.resumed.clone());
        let help = "Memory for the last entries of followed streams";
        registry.register("live_kept_bytes", help, metrics.kept.clone());
        let help = "From storing a notification to a client having it, by its word less how long it held that back";
        registry.register_seconds("live_delivery", help, metrics.latency.clone());
        metrics
    }

    pub(crate) fn connections(&self, open: usize) {
        self.connections.set(wide(open));
    }

    pub(crate) fn opened(&self) {
        self.opened.inc();
    }

    pub(crate) fn refused(&self, reason: &'static str) {
        self.refused.get_or_create(&Reason { reason }).inc();
    }

    pub(crate) fn closed(&self, code: Option<u16>) {
        let code = code.unwrap_or_default();
        self.closed.get_or_create(&Code { code }).inc();
    }

    pub(crate) fn delivered(&self, deliveries: usize) {
        self.delivered.inc_by(wide(deliveries));
    }

    pub(crate) fn silent(&self, deliveries: usize) {
        self.silent.inc_by(wide(deliveries));
    }

    pub(crate) fn signals(&self, given: usize, dropped: usize, silent: usize) {
        for (outcome, count) in [("given", given), ("dropped", dropped), ("silent", silent)] {
            if count > 0 {
                let outcome = Outcome { outcome };
                self.signals.get_or_create(&outcome).inc_by(wide(count));
            }
        }
    }

    pub(crate) fn resumed(&self, recovered: Option<bool>) {
        let outcome = match recovered {
            None => "fresh",
            Some(true) => "recovered",
            Some(false) => "refused",
        };
        self.resumed.get_or_create(&Outcome { outcome }).inc();
    }

    pub(crate) fn kept(&self, bytes: usize) {
        self.kept.set(wide(bytes));
    }

    pub(crate) fn latency(&self, stored_ms: i64, now_ms: i64) {
        let elapsed_ms = u32::try_from(now_ms.saturating_sub(stored_ms).max(0));
        self.latency
            .observe(f64::from(elapsed_ms.unwrap_or(u32::MAX)) / 1_000.0);
    }
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
