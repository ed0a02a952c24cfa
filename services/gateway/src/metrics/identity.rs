//! Figures of identity: credentials that were shown, and how current what is known of them is.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use time::OffsetDateTime;
use tradepost_telemetry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Shown {
    kind: &'static str,
    outcome: &'static str,
}

/// The instruments. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct IdentityMetrics {
    credentials: Family<Shown, Counter>,
    revocations: Gauge,
    signing_keys: Gauge,
    feed_time: Gauge,
    feed_failures: Counter,
}

impl IdentityMetrics {
    /// Registers the instruments.
    #[must_use]
    pub fn register(registry: &Registry) -> Self {
        let metrics = Self::default();
        let help = "Credentials of requests, by kind, and whether they were taken or why not";
        registry.register("credentials", help, metrics.credentials.clone());
        let help = "Revocations in force";
        registry.register("revocations", help, metrics.revocations.clone());
        let help = "Keys whose access tokens are taken";
        registry.register("signing_keys", help, metrics.signing_keys.clone());
        let help = "When revocations, tenants and keys were last learnt, in Unix time";
        registry.register(
            "identity_feed_time_seconds",
            help,
            metrics.feed_time.clone(),
        );
        let help = "Times they could not be learnt";
        registry.register(
            "identity_feed_failures",
            help,
            metrics.feed_failures.clone(),
        );
        metrics
    }

    /// Counts credentials of that kind; `outcome` is `taken`, or the reason why not.
    pub fn shown(&self, kind: &'static str, outcome: &'static str) {
        let shown = Shown { kind, outcome };
        self.credentials.get_or_create(&shown).inc();
    }

    /// Notes what is known at `now`.
    pub fn learnt(&self, now: OffsetDateTime, revocations: usize, signing_keys: usize) {
        let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.revocations.set(gauge(revocations));
        self.signing_keys.set(gauge(signing_keys));
        self.feed_time.set(now.unix_timestamp());
    }

    /// Counts a time when nothing was learnt.
    pub fn unlearnt(&self) {
        self.feed_failures.inc();
    }
}
