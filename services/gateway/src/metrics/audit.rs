//! The instruments of the audit trail.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use tradepost_telemetry::Registry;

use crate::domain::audit::Outcome;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    outcome: &'static str,
}

/// The instruments of the audit trail. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AuditMetrics {
    entries: Family<Ended, Counter>,
    failures: Counter,
    queued: Gauge,
    checkpoint_age: Gauge,
    broken: Gauge,
}

impl AuditMetrics {
    /// Registers the instruments.
    #[must_use]
    pub fn register(registry: &Registry) -> Self {
        let metrics = Self {
            entries: Family::default(),
            failures: Counter::default(),
            queued: Gauge::default(),
            checkpoint_age: Gauge::default(),
            broken: Gauge::default(),
        };
        registry.register(
            "audit_entries",
            "Entries that the audit log wrote, by outcome; not those of other transactions",
            metrics.entries.clone(),
        );
        let help = "Entries that could not be written; what they are about was refused";
        registry.register("audit_failures", help, metrics.failures.clone());
        let help = "Entries that wait to be written";
        registry.register("audit_queued", help, metrics.queued.clone());
        registry.register_seconds(
            "audit_checkpoint_age",
            "Since all that was due was last signed and kept outside the database",
            metrics.checkpoint_age.clone(),
        );
        let help = "Chains that are not as they were: someone must act";
        registry.register("audit_chains_broken", help, metrics.broken.clone());
        metrics
    }

    /// Counts an entry that was written.
    pub fn written(&self, outcome: Outcome) {
        let outcome = outcome.as_str();
        self.entries.get_or_create(&Ended { outcome }).inc();
    }

    /// Counts an entry that could not be written.
    pub fn failed(&self) {
        self.failures.inc();
    }

    /// How many entries wait.
    pub fn queued(&self, count: usize) {
        self.queued.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// How long ago all that was due was signed.
    pub fn checkpoint_age(&self, age: Duration) {
        let seconds = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
        self.checkpoint_age.set(seconds);
    }

    /// How many chains are broken.
    pub fn broken(&self, count: usize) {
        self.broken.set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}
