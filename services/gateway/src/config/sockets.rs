//! Limits of sockets.

use garde::Validate;
use serde::{Deserialize, Serialize};

/// Limits of sockets: they live long, so they are counted apart from requests.
#[derive(Debug, Clone, Deserialize, Serialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct SocketsConfig {
    /// How many may be open.
    #[garde(range(min = 1, max = 1_000_000))]
    pub open_max: usize,
    /// How many of them may be one caller's.
    #[garde(range(min = 1, max = 100_000))]
    pub caller_max: usize,
    /// How many of them may come from one address.
    #[garde(range(min = 1, max = 100_000))]
    pub address_max: usize,
    /// One on which nothing is said for so long is closed.
    #[garde(range(min = 10, max = 86_400_000))]
    pub idle_ms: u64,
    /// How often the other end is asked whether it is still there; it has as long to answer.
    #[garde(range(min = 10, max = 3_600_000))]
    pub ping_ms: u64,
    /// How many messages a caller may send in a second, on average; three times as many at once.
    #[garde(range(min = 1, max = 100_000))]
    pub messages_per_second: u32,
    /// Over how long clients are sent away when the process ends: each at another moment.
    #[garde(range(max = 3_600_000))]
    pub drain_ms: u64,
}

impl Default for SocketsConfig {
    fn default() -> Self {
        Self {
            open_max: 10_000,
            caller_max: 10,
            address_max: 100,
            idle_ms: 300_000,
            ping_ms: 30_000,
            messages_per_second: 20,
            drain_ms: 10_000,
        }
    }
}
