//! The instruments of the rate limits.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use tradepost_telemetry::Registry;

/// Around the budget of 5 ms.
const BUCKETS: [f64; 9] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.1, 1.0,
];

/// How a request fared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was within the limit.
    Admitted,
    /// It was over the limit.
    Refused,
    /// It was over the limit and let through, since limits are not enforced.
    Tolerated,
}

/// Who decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// Redis, for all gateways.
    Redis,
    /// This process.
    Local,
}

/// Why Redis did not decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RedisFault {
    /// It took longer than the budget.
    Late,
    /// It answered with an error, or the connection broke.
    Error,
    /// It is not asked, since it failed before.
    Open,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Decided {
    limit: &'static str,
    outcome: &'static str,
    place: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Failed {
    reason: &'static str,
}

/// The instruments. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LimitMetrics {
    decisions: Family<Decided, Counter>,
    faults: Family<Failed, Counter>,
    duration: Histogram,
    degraded: Gauge,
    openings: Counter,
    instances: Gauge,
}

impl LimitMetrics {
    /// Registers the instruments.
    #[must_use]
    pub fn register(registry: &Registry) -> Self {
        let metrics = Self {
            decisions: Family::default(),
            faults: Family::default(),
            duration: Histogram::new(BUCKETS),
            degraded: Gauge::default(),
            openings: Counter::default(),
            instances: Gauge::default(),
        };
        let help = "Requests by limit, outcome and who decided: redis for all gateways, local";
        registry.register("rate_limit_decisions", help, metrics.decisions.clone());
        let help = "Decisions that Redis did not make, by reason";
        registry.register("rate_limit_redis_faults", help, metrics.faults.clone());
        let help = "How long Redis took to decide";
        registry.register_seconds("rate_limit_redis_duration", help, metrics.duration.clone());
        let help = "1 while limits are counted by each gateway for itself: the breaker is open";
        registry.register("rate_limit_degraded", help, metrics.degraded.clone());
        let help = "How often the breaker to Redis has opened";
        let openings = metrics.openings.clone();
        registry.register("rate_limit_breaker_openings", help, openings);
        let help = "Gateways that share the limits, as last known";
        registry.register("rate_limit_instances", help, metrics.instances.clone());
        metrics
    }

    /// Counts a decision.
    pub fn decided(&self, limit: &'static str, outcome: Outcome, place: Place) {
        let decided = Decided {
            limit,
            outcome: match outcome {
                Outcome::Admitted => "admitted",
                Outcome::Refused => "refused",
                Outcome::Tolerated => "tolerated",
            },
            place: match place {
                Place::Redis => "redis",
                Place::Local => "local",
            },
        };
        self.decisions.get_or_create(&decided).inc();
    }

    /// Counts a decision that Redis did not make.
    pub fn fault(&self, fault: RedisFault) {
        let reason = match fault {
            RedisFault::Late => "late",
            RedisFault::Error => "error",
            RedisFault::Open => "open",
        };
        self.faults.get_or_create(&Failed { reason }).inc();
    }

    /// Measures how long Redis took.
    pub fn redis_took(&self, duration: Duration) {
        self.duration.observe(duration.as_secs_f64());
    }

    /// Every gateway counts for itself from now on.
    pub fn opened(&self) {
        self.degraded.set(1);
        self.openings.inc();
    }

    /// Redis has not been reached yet.
    pub fn degraded(&self) {
        self.degraded.set(1);
    }

    /// Redis decides again.
    pub fn closed(&self) {
        self.degraded.set(0);
    }

    /// So many gateways share the limits.
    pub fn instances(&self, count: u32) {
        self.instances.set(i64::from(count));
    }
}
