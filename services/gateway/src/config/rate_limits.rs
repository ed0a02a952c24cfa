//! How much callers may ask, and where that is counted.

use garde::Validate;
use serde::{Deserialize, Serialize};

/// How much callers may ask. A limit is also the burst: as many requests may come at once.
#[derive(Debug, Clone, Deserialize, Serialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimitsConfig {
    /// Whether what is over a limit is refused. If not, it is counted and let through; the limits
    /// of logins and the like hold in any case.
    #[garde(skip)]
    pub enforce: bool,
    /// Requests a minute of a user in a tenant of the standard plan.
    #[garde(range(min = 1, max = 1_000_000))]
    pub user_per_minute: u32,
    /// Requests a minute of an API key or of an OAuth client, in the standard plan.
    #[garde(range(min = 1, max = 1_000_000))]
    pub key_per_minute: u32,
    /// Requests a minute of all callers of a tenant together, in the standard plan.
    #[garde(range(min = 1, max = 10_000_000))]
    pub tenant_per_minute: u32,
    /// Requests a second of an address (of IPv6, a /64 network), before anything else is known of
    /// them. Each gateway counts it for itself.
    #[garde(range(min = 1, max = 1_000_000))]
    pub address_per_second: u32,
    /// By how much the limits of logins, codes and refreshes are larger than they should be: for
    /// systems under test.
    #[garde(range(min = 1, max = 1_000))]
    pub strict_factor: u32,
    /// How long Redis may take for a decision; then this gateway decides by itself.
    #[garde(range(min = 1, max = 1_000))]
    pub redis_budget_ms: u64,
    /// How many gateways there are at least: while Redis is away, each admits its share.
    #[garde(range(min = 1, max = 1_000))]
    pub instances_min: u32,
    /// How many callers, and as many addresses again, are remembered here; 32 bytes each.
    #[garde(range(min = 1_024, max = 10_000_000))]
    pub entries_max: usize,
}

impl Default for RateLimitsConfig {
    fn default() -> Self {
        Self {
            enforce: true,
            user_per_minute: 1_000,
            key_per_minute: 10_000,
            tenant_per_minute: 600_000,
            address_per_second: 1_000,
            strict_factor: 1,
            redis_budget_ms: 5,
            instances_min: 1,
            entries_max: 65_536,
        }
    }
}
