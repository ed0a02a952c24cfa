//! The Redis of the service.

use garde::Validate;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tradepost_redis::is_redis_url;
use tradepost_service::config::secret;

/// The Redis of the service. What is in it may vanish at any moment.
#[derive(Debug, Clone, Deserialize, Serialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct RedisConfig {
    /// E.g. `redis://:password@host:6379/0`. The service works without it.
    #[garde(custom(is_redis_url))]
    #[serde(serialize_with = "secret::mask_option")]
    pub url: Option<SecretString>,
    /// How often a node says who is connected to it; one that has not for three times as long is
    /// taken for dead.
    #[garde(range(min = 100, max = 60_000))]
    pub presence_ms: u64,
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self {
            url: None,
            presence_ms: 10_000,
        }
    }
}
