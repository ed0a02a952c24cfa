//! Instruments of e-mail.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use tradepost_telemetry::Registry;

use crate::domain::email::Answer;

/// Up to the longest time-out.
const SECONDS: [f64; 9] = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// The instruments. Cheap to clone.
#[derive(Debug, Clone)]
pub struct EmailMetrics {
    made: Counter,
    attempts: Family<Outcome, Counter>,
    seconds: Histogram,
    quiet: Counter,
    refused: Counter,
    oldest_due: Gauge<f64, AtomicU64>,
}

impl Default for EmailMetrics {
    fn default() -> Self {
        Self {
            made: Counter::default(),
            attempts: Family::default(),
            seconds: Histogram::new(SECONDS),
            quiet: Counter::default(),
            refused: Counter::default(),
            oldest_due: Gauge::default(),
        }
    }
}

impl EmailMetrics {
    /// Registers the instruments.
    #[must_use]
    pub fn register(registry: &Registry) -> Self {
        let metrics = Self::default();
        let help = "E-mails made for users who want them";
        registry.register("emails", help, metrics.made.clone());
        let help = "Attempts to hand e-mails to the mail server, by how they ended";
        registry.register("email_attempts", help, metrics.attempts.clone());
        let help = "How long attempts took";
        registry.register("email_attempt_seconds", help, metrics.seconds.clone());
        let help = "E-mails that were put off until quiet hours end";
        registry.register("email_quiet", help, metrics.quiet.clone());
        let help = "Addresses that were refused for good";
        registry.register("email_refused_addresses", help, metrics.refused.clone());
        let help = "For how long the oldest e-mail has been due that nobody is at";
        registry.register_seconds("email_oldest_due_age", help, metrics.oldest_due.clone());
        metrics
    }

    /// Where e-mails that were made are counted.
    #[must_use]
    pub fn made(&self) -> Counter {
        self.made.clone()
    }

    /// Counts an attempt.
    pub fn attempted(&self, answer: Answer, took: Duration) {
        let outcome = match answer {
            Answer::Taken(_) => "sent",
            Answer::Refused { code: ..=499, .. } => "reply_4yz",
            Answer::Refused { .. } => "reply_5yz",
            Answer::None(fault) => fault.name(),
        };
        self.attempts.get_or_create(&Outcome { outcome }).inc();
        self.seconds.observe(took.as_secs_f64());
    }

    /// Counts an e-mail that was put off.
    pub fn quiet(&self) {
        self.quiet.inc();
    }

    /// Counts an address that was refused.
    pub fn refused(&self) {
        self.refused.inc();
    }

    /// Says for how long the oldest has been due.
    pub fn oldest_due(&self, age: Duration) {
        self.oldest_due.set(age.as_secs_f64());
    }
}
