//! The Redis of the service.

use garde::Validate;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tradepost_service::config::secret;
use url::Url;

/// The Redis of the service. What is in it may vanish at any moment.
#[derive(Debug, Clone, Default, Deserialize, Serialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct RedisConfig {
    /// E.g. `redis://:password@host:6379/0`. The service works without it.
    #[garde(custom(is_redis_url))]
    #[serde(serialize_with = "secret::mask_option")]
    pub url: Option<SecretString>,
}

fn is_redis_url(url: &Option<SecretString>, (): &()) -> garde::Result {
    let Some(url) = url else { return Ok(()) };
    // Never the parser's own text: it may hold the password.
    match Url::parse(url.expose_secret()) {
        Ok(url) if url.scheme() == "redis" && url.has_host() => Ok(()),
        Ok(_) | Err(_) => Err(garde::Error::new(
            "must be redis://[:password@]host[:port]/db",
        )),
    }
}
