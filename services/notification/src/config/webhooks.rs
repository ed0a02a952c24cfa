//! Outgoing webhooks.

use garde::Validate;
use serde::{Deserialize, Serialize};

/// Outgoing webhooks.
#[derive(Debug, Clone, Deserialize, Serialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct WebhooksConfig {
    /// Whether this process follows the history and sends. Endpoints are managed either way.
    #[garde(skip)]
    pub enabled: bool,
    /// How often new notifications and due deliveries are looked for.
    #[garde(range(min = 10, max = 60_000))]
    pub look_ms: u64,
    /// Notifications taken from the history at once; those of one transaction stay together.
    #[garde(range(min = 1, max = 10_000))]
    pub follow_batch_max: u32,
    /// Requests of this process under way at once.
    #[garde(range(min = 1, max = 10_000))]
    pub in_flight_max: usize,
    /// Of these at one endpoint, over all processes.
    #[garde(range(min = 1, max = 100))]
    pub endpoint_in_flight_max: u32,
    /// How long an endpoint may take for its whole answer.
    #[garde(range(min = 100, max = 60_000))]
    pub timeout_ms: u64,
    /// For how many days deliveries are kept, whatever became of them.
    #[garde(range(min = 7, max = 3_650))]
    pub kept_days: u32,
    /// Whether an endpoint may be http. For tests and a laptop.
    #[garde(skip)]
    pub allow_http: bool,
    /// Whether an endpoint may be at a private address. For tests and a laptop: whoever makes
    /// endpoints could reach into this network.
    #[garde(skip)]
    pub allow_private: bool,
}

impl Default for WebhooksConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            look_ms: 500,
            follow_batch_max: 500,
            in_flight_max: 256,
            endpoint_in_flight_max: 4,
            timeout_ms: 15_000,
            kept_days: 30,
            allow_http: false,
            allow_private: false,
        }
    }
}
