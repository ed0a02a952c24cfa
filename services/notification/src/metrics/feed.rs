//! Instruments of what is told of orders.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use tradepost_telemetry::Registry;

use crate::domain::Audience;

use crate::ports::{Told, Whose};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct To {
    audience: &'static str,
}

/// The instruments of what is told of orders. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct FeedMetrics {
    told: Family<To, Counter>,
    repeated: Counter,
}

impl FeedMetrics {
    /// Registers the instruments.
    #[must_use]
    pub fn register(registry: &Registry) -> Self {
        let metrics = Self::default();
        let help = "Notifications of what happened to orders, by who was told";
        registry.register("order_notifications", help, metrics.told.clone());
        let help = "Facts of orders that came again after they were told";
        registry.register("order_facts_repeated", help, metrics.repeated.clone());
        metrics
    }

    /// So much was told.
    pub fn told(&self, told: &Told) {
        for entry in &told.entries {
            let audience = match entry.key.whose {
                Whose::User(_) => Audience::Customer,
                Whose::Group(_) => Audience::Staff,
            };
            let audience = audience.name();
            self.told.get_or_create(&To { audience }).inc();
        }
        self.repeated
            .inc_by(u64::try_from(told.repeated).unwrap_or(u64::MAX));
    }
}
