//! Every instrument of the service.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use tradepost_telemetry::Registry;

use crate::ports::CarrierError;

/// The instruments. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    commands: Counter,
    advanced: Counter,
    carrier: Family<CarrierLabels, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CarrierLabels {
    outcome: &'static str,
}

impl Metrics {
    /// Registers the instruments.
    #[must_use]
    pub fn register(registry: &Registry) -> Self {
        let metrics = Self::default();
        let help = "Commands on shipments that were carried out";
        registry.register("shipment_commands", help, metrics.commands.clone());
        let help = "Parcels that the carrier's clock moved";
        registry.register("shipments_advanced", help, metrics.advanced.clone());
        let help = "What came of asking the carrier to book or cancel, by outcome";
        registry.register("carrier_asks", help, metrics.carrier.clone());
        metrics
    }

    /// Counts commands.
    pub fn commands(&self, count: usize) {
        self.commands
            .inc_by(u64::try_from(count).unwrap_or_default());
    }

    /// Counts what came of one attempt at the carrier.
    pub fn carrier_asked(&self, error: Option<&CarrierError>) {
        let outcome = match error {
            None => "done",
            Some(CarrierError::Refused(_)) => "refused",
            Some(CarrierError::Unavailable(_)) => "unavailable",
            Some(CarrierError::Unknown(_)) => "unknown",
        };
        self.carrier.get_or_create(&CarrierLabels { outcome }).inc();
    }

    /// Counts moved parcels.
    pub fn advanced(&self, count: usize) {
        self.advanced
            .inc_by(u64::try_from(count).unwrap_or_default());
    }
}
