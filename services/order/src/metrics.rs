//! Every instrument of the service.

use std::collections::HashMap;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use tradepost_telemetry::Registry;

use crate::domain::OrderState;
use crate::domain::saga::Ignored;
use crate::ports::Applied;

/// Reject reasons that get a label of their own; others are counted as `OTHER`, because they come
/// from participants and must not grow the label without limit.
const REASONS: &[&str] = &[
    "OUT_OF_STOCK",
    "UNKNOWN_SKU",
    "ITEM_INACTIVE",
    "RELEASED_BEFORE",
    "CARD_DECLINED",
    "INSUFFICIENT_FUNDS",
    "ACTION_FAILED",
    "PROVIDER_REFUSED",
    "STOCK_TIMEOUT",
    "PAYMENT_TIMEOUT",
    "PAYMENT_ACTION_EXPIRED",
    "PAYMENT_VOIDED",
    "DESTINATION_NOT_SERVED",
    "WEIGHT_TOO_LARGE",
    "ABANDONED",
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: &'static str,
}

/// The instruments. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics {
    placed: Counter,
    entered: Family<State, Counter>,
    rejected: Family<Reason, Counter>,
    duration: Family<State, Histogram, fn() -> Histogram>,
    live: Family<State, Gauge>,
    ignored: Family<Reason, Counter>,
}

/// From accept to confirmed, rejected or cancelled: milliseconds to a day.
fn durations() -> Histogram {
    Histogram::new([
        0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0,
        86_400.0,
    ])
}

impl Metrics {
    /// Registers the instruments.
    #[must_use]
    pub fn register(registry: &Registry) -> Self {
        let metrics = Self {
            placed: Counter::default(),
            entered: Family::default(),
            rejected: Family::default(),
            duration: Family::new_with_constructor(durations),
            live: Family::default(),
            ignored: Family::default(),
        };
        registry.register("order_placed", "Orders accepted", metrics.placed.clone());
        registry.register(
            "order_state_entered",
            "How often orders came into each state",
            metrics.entered.clone(),
        );
        registry.register(
            "order_rejected",
            "Orders rejected, by reason",
            metrics.rejected.clone(),
        );
        registry.register_seconds(
            "saga_duration",
            "From acceptance to confirmed, rejected or cancelled",
            metrics.duration.clone(),
        );
        registry.register(
            "order_live",
            "Orders that are not final, by state",
            metrics.live.clone(),
        );
        registry.register(
            "order_answers_ignored",
            "Answers that had nothing to do, by reason",
            metrics.ignored.clone(),
        );
        metrics
    }

    /// An order was accepted.
    pub fn placed(&self) {
        self.placed.inc();
    }

    /// A transaction moved orders.
    pub fn applied(&self, applied: &Applied) {
        for step in &applied.moves {
            let state = State {
                state: step.to.name(),
            };
            self.entered.get_or_create(&state).inc();
            if step.to == OrderState::Rejected {
                let reason = step.reject_reason.as_deref().unwrap_or_default();
                let known = REASONS.iter().find(|known| **known == reason);
                let reason = known.copied().unwrap_or("OTHER");
                self.rejected.get_or_create(&Reason { reason }).inc();
            }
            if matches!(
                step.to,
                OrderState::Confirmed | OrderState::Rejected | OrderState::Cancelled
            ) {
                let histogram = self.duration.get_or_create(&state);
                histogram.observe(step.age.as_seconds_f64());
            }
        }
        for why in &applied.ignored {
            let reason = match why {
                Ignored::Stale => "stale",
                Ignored::Late => "late",
            };
            self.ignored.get_or_create(&Reason { reason }).inc();
        }
    }

    /// How many orders are live in each state.
    pub fn live(&self, counts: &HashMap<String, i64>) {
        for state in OrderState::ALL.iter().filter(|state| !state.is_final()) {
            let count = counts.get(state.name()).copied().unwrap_or(0);
            let label = State {
                state: state.name(),
            };
            self.live.get_or_create(&label).set(count);
        }
    }
}
