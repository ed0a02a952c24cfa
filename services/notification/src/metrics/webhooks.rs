//! Instruments of outgoing webhooks.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use tradepost_telemetry::Registry;

use crate::ports::webhooks::{Answer, DisabledReason};

/// Up to the longest time-out.
const SECONDS: [f64; 9] = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

/// The instruments. Cheap to clone.
#[derive(Debug, Clone)]
pub struct WebhookMetrics {
    made: Counter,
    attempts: Family<Outcome, Counter>,
    seconds: Histogram,
    disabled: Family<Reason, Counter>,
}

impl Default for WebhookMetrics {
    fn default() -> Self {
        Self {
            made: Counter::default(),
            attempts: Family::default(),
            seconds: Histogram::new(SECONDS),
            disabled: Family::default(),
        }
    }
}

impl WebhookMetrics {
    /// Registers the instruments.
    #[must_use]
    pub fn register(registry: &Registry) -> Self {
        let metrics = Self::default();
        let help = "Deliveries made for endpoints of tenants";
        registry.register("webhook_deliveries", help, metrics.made.clone());
        let help = "Attempts to deliver, by how they ended";
        registry.register("webhook_attempts", help, metrics.attempts.clone());
        let help = "How long attempts took";
        registry.register("webhook_attempt_seconds", help, metrics.seconds.clone());
        let help = "Endpoints that were disabled by what they answered, or did not";
        registry.register("webhook_disabled", help, metrics.disabled.clone());
        metrics
    }

    /// Where deliveries that were made are counted.
    #[must_use]
    pub fn made(&self) -> Counter {
        self.made.clone()
    }

    /// Counts an attempt.
    pub fn attempted(&self, answer: Answer, took: Duration) {
        let outcome = match answer {
            Answer::Status { code, .. } => match code {
                200..=299 => "2xx",
                300..=399 => "3xx",
                400..=499 => "4xx",
                _ => "5xx",
            },
            Answer::None(fault) => fault.name(),
        };
        self.attempts.get_or_create(&Outcome { outcome }).inc();
        self.seconds.observe(took.as_secs_f64());
    }

    /// Counts an endpoint that was disabled.
    pub fn disabled(&self, reason: DisabledReason) {
        let reason = match reason {
            DisabledReason::Asked => "asked",
            DisabledReason::Gone => "gone",
            DisabledReason::Failing => "failing",
        };
        self.disabled.get_or_create(&Reason { reason }).inc();
    }
}
