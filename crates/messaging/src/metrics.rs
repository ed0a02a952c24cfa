//! Every instrument of messaging, declared once. Names are completed by the registry's prefix:
//! with the prefix `tradepost` the backlog is `tradepost_outbox_pending_messages`.

use std::sync::LazyLock;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// `inbox::claim` is a plain function without a handle, so its counter belongs to the process.
static DUPLICATES: LazyLock<Counter> = LazyLock::new(Counter::default);

/// Deliveries by the queue they came from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct QueueLabel {
    queue: String,
}

/// Parked messages by queue and reason.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ParkedLabel {
    queue: String,
    reason: String,
}

/// The instruments; clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    pub(crate) outbox_pending: Gauge,
    pub(crate) outbox_oldest_age_seconds: Gauge<f64, AtomicU64>,
    pub(crate) published: Counter,
    pub(crate) confirmed: Counter,
    pub(crate) returned: Counter,
    pub(crate) confirm_failures: Counter,
    pub(crate) publish_batch: Histogram,
    pub(crate) connected: Gauge,
    pub(crate) retries_pending: Gauge,
    pub(crate) parked_pending: Gauge,
    consumed: Family<QueueLabel, Counter>,
    retried: Family<QueueLabel, Counter>,
    parked: Family<ParkedLabel, Counter>,
    consume_batch: Histogram,
}

impl Metrics {
    #[expect(
        clippy::too_many_lines,
        reason = "one line an instrument, all in one place"
    )]
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            outbox_pending: Gauge::default(),
            outbox_oldest_age_seconds: Gauge::default(),
            published: Counter::default(),
            confirmed: Counter::default(),
            returned: Counter::default(),
            confirm_failures: Counter::default(),
            publish_batch: Histogram::new(batch_buckets()),
            connected: Gauge::default(),
            retries_pending: Gauge::default(),
            parked_pending: Gauge::default(),
            consumed: Family::default(),
            retried: Family::default(),
            parked: Family::default(),
            consume_batch: Histogram::new(batch_buckets()),
        };
        registry.register(
            "outbox_pending_messages",
            "Committed messages the broker has not taken over yet, counted up to a cap",
            metrics.outbox_pending.clone(),
        );
        registry.register(
            "outbox_oldest_age_seconds",
            "Age of the oldest message in the outbox",
            metrics.outbox_oldest_age_seconds.clone(),
        );
        registry.register(
            "outbox_published",
            "Messages handed to the broker, repetitions included",
            metrics.published.clone(),
        );
        registry.register(
            "outbox_confirmed",
            "Messages the broker has taken over",
            metrics.confirmed.clone(),
        );
        registry.register(
            "outbox_returned",
            "Messages no queue wanted or the broker refused; they stay and are tried again",
            metrics.returned.clone(),
        );
        registry.register(
            "outbox_confirm_failures",
            "Windows that ended without every confirm",
            metrics.confirm_failures.clone(),
        );
        registry.register(
            "outbox_batch_messages",
            "Messages in one published window",
            metrics.publish_batch.clone(),
        );
        registry.register(
            "messaging_connected",
            "1 while both connections to the broker are up",
            metrics.connected.clone(),
        );
        registry.register(
            "messaging_retries_pending",
            "Messages that wait in retry rows",
            metrics.retries_pending.clone(),
        );
        registry.register(
            "messaging_parked_pending",
            "Parked messages that wait for a person",
            metrics.parked_pending.clone(),
        );
        registry.register(
            "messaging_consumed",
            "Messages delivered to this service",
            metrics.consumed.clone(),
        );
        registry.register(
            "messaging_retried",
            "Messages moved to a retry row",
            metrics.retried.clone(),
        );
        registry.register(
            "messaging_parked",
            "Messages parked",
            metrics.parked.clone(),
        );
        registry.register(
            "messaging_batch_messages",
            "Messages in one handled batch",
            metrics.consume_batch.clone(),
        );
        registry.register(
            "inbox_duplicates",
            "Messages that had been handled before",
            DUPLICATES.clone(),
        );
        metrics
    }

    pub(crate) fn count_consumed(&self, queue: &str, messages: usize) {
        self.consumed
            .get_or_create(&label(queue))
            .inc_by(u64::try_from(messages).unwrap_or_default());
        self.consume_batch.observe(size(messages));
    }

    pub(crate) fn count_retried(&self, queue: &str) {
        self.retried.get_or_create(&label(queue)).inc();
    }

    pub(crate) fn count_parked(&self, queue: &str, reason: &str) {
        let label = ParkedLabel {
            queue: queue.to_owned(),
            reason: reason.to_owned(),
        };
        self.parked.get_or_create(&label).inc();
    }

    pub(crate) fn count_window(&self, messages: usize) {
        self.published
            .inc_by(u64::try_from(messages).unwrap_or_default());
        self.publish_batch.observe(size(messages));
    }
}

pub(crate) fn count_duplicates(messages: usize) {
    DUPLICATES.inc_by(u64::try_from(messages).unwrap_or_default());
}

fn label(queue: &str) -> QueueLabel {
    QueueLabel {
        queue: queue.to_owned(),
    }
}

fn size(messages: usize) -> f64 {
    f64::from(u32::try_from(messages).unwrap_or(u32::MAX))
}

fn batch_buckets() -> impl Iterator<Item = f64> {
    [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0].into_iter()
}
