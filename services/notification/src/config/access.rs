//! Straight connections: those that come without the gateway in between.

use garde::Validate;
use serde::{Deserialize, Serialize};
use tradepost_service::proxies::ProxiesConfig;
use url::Url;

/// Straight connections, and who judges their credentials.
#[derive(Debug, Clone, Deserialize, Serialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct AccessConfig {
    /// The gateway's `AccessService`. Without it there are no straight connections.
    #[garde(skip)]
    pub url: Option<Url>,
    /// How long an answer may take.
    #[garde(range(min = 50, max = 30_000))]
    pub deadline_ms: u64,
    /// Questions that may be under way at once; more wait, up to the deadline.
    #[garde(range(min = 1, max = 10_000))]
    pub questions_max: usize,
    /// Answers that are kept, so that who comes back need not be asked about again.
    #[garde(range(min = 0, max = 10_000_000))]
    pub kept_max: u64,
    /// How long one is kept; never longer than the credentials are good.
    #[garde(range(min = 1, max = 3_600))]
    pub kept_seconds: u32,
    /// How old the gateway's word on what is revoked may be; while it is older nobody new is let in.
    #[garde(range(min = 1_000, max = 600_000))]
    pub stale_ms: u32,
    /// Straight connections of one address, at once. An IPv6 network of /64 is one address.
    #[garde(range(min = 1, max = 1_000_000))]
    pub address_connections_max: u32,
    /// How many one address may open a second; in a burst twice as many.
    #[garde(range(min = 1, max = 100_000))]
    pub address_connects_per_second: u32,
    /// Connections that have shown no credentials yet, at once.
    #[garde(range(min = 1, max = 100_000))]
    pub waiting_max: usize,
    /// The same of one address.
    #[garde(range(min = 1, max = 100_000))]
    pub address_waiting_max: u32,
    /// The proxies before the live port: bounds by address are for whom they speak.
    #[garde(dive)]
    pub proxies: ProxiesConfig,
}

impl Default for AccessConfig {
    fn default() -> Self {
        Self {
            url: None,
            deadline_ms: 2_000,
            questions_max: 64,
            kept_max: 100_000,
            kept_seconds: 60,
            stale_ms: 10_000,
            address_connections_max: 200,
            address_connects_per_second: 50,
            waiting_max: 500,
            address_waiting_max: 20,
            proxies: ProxiesConfig::default(),
        }
    }
}
