//! Instruments of straight connections.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use tradepost_telemetry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct By {
    by: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

/// The instruments. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct AccessMetrics {
    admitted: Family<By, Counter>,
    refused: Family<Reason, Counter>,
    ended: Family<Reason, Counter>,
    open: Gauge<u64, AtomicU64>,
    feed_age: Gauge<f64, AtomicU64>,
}

impl AccessMetrics {
    /// Registers the instruments.
    #[must_use]
    pub fn register(registry: &Registry) -> Self {
        let metrics = Self::default();
        let help = "Credentials that were taken, by who said so: the gateway, or a kept answer";
        registry.register("access_admitted", help, metrics.admitted.clone());
        let help = "Credentials that were not taken, by reason";
        registry.register("access_refused", help, metrics.refused.clone());
        let help = "Straight connections ended for their credentials, by reason";
        registry.register("access_ended", help, metrics.ended.clone());
        let help = "Open straight connections";
        registry.register("access_connections", help, metrics.open.clone());
        let help = "How old the word on what is revoked is";
        registry.register_seconds("access_feed_age", help, metrics.feed_age.clone());
        metrics
    }

    pub(crate) fn admitted(&self, by: &'static str) {
        self.admitted.get_or_create(&By { by }).inc();
    }

    pub(crate) fn refused(&self, reason: &'static str) {
        self.refused.get_or_create(&Reason { reason }).inc();
    }

    pub(crate) fn ended(&self, reason: &'static str, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.ended.get_or_create(&Reason { reason }).inc_by(count);
    }

    pub(crate) fn open(&self, count: usize) {
        self.open.set(u64::try_from(count).unwrap_or(u64::MAX));
    }

    pub(crate) fn feed_age(&self, age: Duration) {
        self.feed_age.set(age.as_secs_f64());
    }
}
