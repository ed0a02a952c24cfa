//! Every instrument of the service.

use prometheus_client::metrics::counter::Counter;
use tradepost_telemetry::Registry;

/// The instruments. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    commands: Counter,
    advanced: Counter,
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
        metrics
    }

    /// Counts commands.
    pub fn commands(&self, count: usize) {
        self.commands
            .inc_by(u64::try_from(count).unwrap_or_default());
    }

    /// Counts moved parcels.
    pub fn advanced(&self, count: usize) {
        self.advanced
            .inc_by(u64::try_from(count).unwrap_or_default());
    }
}
