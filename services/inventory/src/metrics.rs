//! Every instrument of the service.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use tradepost_telemetry::Registry;

use crate::ports::Handled;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// The instruments. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    reservations: Family<Outcome, Counter>,
}

impl Metrics {
    /// Registers the instruments.
    #[must_use]
    pub fn register(registry: &Registry) -> Self {
        let metrics = Self::default();
        let help = "Reservations by what became of them";
        registry.register("reservations", help, metrics.reservations.clone());
        metrics
    }

    /// Counts what a batch led to.
    pub fn handled(&self, handled: Handled) {
        let outcomes = [
            ("held", handled.held),
            ("rejected", handled.rejected),
            ("committed", handled.committed),
            ("released", handled.released),
            ("expired", handled.expired),
        ];
        for (outcome, count) in outcomes.into_iter().filter(|&(_, count)| count > 0) {
            self.reservations
                .get_or_create(&Outcome { outcome })
                .inc_by(count);
        }
    }
}
