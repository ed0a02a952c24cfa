//! Every instrument of the service.

use std::sync::atomic::AtomicI64;
use std::time::Instant;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use tradepost_telemetry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Operation {
    operation: &'static str,
}

/// The instruments. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics {
    answers: Family<Outcome, Counter>,
    webhooks: Family<Outcome, Counter>,
    unknown: Gauge<i64, AtomicI64>,
    calls: Family<Operation, Histogram, fn() -> Histogram>,
}

impl Metrics {
    /// Registers the instruments.
    #[must_use]
    pub fn register(registry: &Registry) -> Self {
        let metrics = Self {
            answers: Family::default(),
            webhooks: Family::default(),
            unknown: Gauge::default(),
            calls: Family::new_with_constructor(|| {
                Histogram::new(exponential_buckets(0.002, 2.0, 14))
            }),
        };
        let help = "What orders were told of payments";
        registry.register("payment_answers", help, metrics.answers.clone());
        let help = "Webhooks of the provider by what became of them";
        registry.register("payment_webhooks", help, metrics.webhooks.clone());
        let help = "Payments whose outcome is not known";
        registry.register("payments_unknown", help, metrics.unknown.clone());
        let help = "Calls to the provider";
        registry.register_seconds(
            "payment_provider_call_duration",
            help,
            metrics.calls.clone(),
        );
        metrics
    }

    /// Counts what orders were told.
    pub fn told(&self, words: &[&'static str]) {
        for outcome in words.iter().copied() {
            self.answers.get_or_create(&Outcome { outcome }).inc();
        }
    }

    /// Counts a webhook.
    pub fn webhook(&self, outcome: &'static str) {
        self.webhooks.get_or_create(&Outcome { outcome }).inc();
    }

    /// Notes how many outcomes are not known.
    pub fn unknown(&self, count: i64) {
        self.unknown.set(count);
    }

    /// Measures a call to the provider.
    pub async fn timed<T>(&self, operation: &'static str, call: impl Future<Output = T>) -> T {
        let begun = Instant::now();
        let result = call.await;
        let took = begun.elapsed().as_secs_f64();
        self.calls
            .get_or_create(&Operation { operation })
            .observe(took);
        result
    }
}
