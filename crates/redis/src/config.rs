//! Where Redis is.

use garde::Validate;
use redis::io::tcp::TcpSettings;
use redis::{Client, IntoConnectionInfo, RedisError};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tradepost_service::config::secret;
use url::Url;

/// The Redis of a service. What is in it may vanish at any moment.
#[derive(Debug, Clone, Default, Deserialize, Serialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct RedisConfig {
    /// E.g. `redis://:password@host:6379/0`. The service works without it.
    #[garde(custom(is_redis_url))]
    #[serde(serialize_with = "secret::mask_option")]
    pub url: Option<SecretString>,
}

/// A rule for a field: the URL of a Redis, if there is one.
///
/// # Errors
/// Says what is wanted; never what is there, which may hold a password.
pub fn is_redis_url(url: &Option<SecretString>, (): &()) -> garde::Result {
    let Some(url) = url else { return Ok(()) };
    match Url::parse(url.expose_secret()) {
        Ok(url) if url.scheme() == "redis" && url.has_host() => Ok(()),
        Ok(_) | Err(_) => Err(garde::Error::new(
            "must be redis://[:password@]host[:port]/db",
        )),
    }
}

/// The URL is none of a Redis. It is not shown: it may hold a password.
#[derive(Debug, thiserror::Error)]
#[error("redis.url cannot be used: it must be redis://[:password@]host[:port]/db")]
pub struct UrlUnusable;

/// A client of the Redis at `url`; it connects to nothing yet.
///
/// # Errors
/// [`UrlUnusable`].
pub fn client(url: &SecretString) -> Result<Client, UrlUnusable> {
    // The library's own error says what it has read.
    open(url).map_err(|_unsafe_to_show| UrlUnusable)
}

fn open(url: &SecretString) -> Result<Client, RedisError> {
    let info = url.expose_secret().into_connection_info()?;
    // A command never waits for the acknowledgement of the one before.
    let tcp = TcpSettings::default().set_nodelay(true);
    Client::open(info.set_tcp_settings(tcp))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_taken(url: &str) -> bool {
        let url = SecretString::from(url);
        let opened = client(&url).is_ok();
        is_redis_url(&Some(url), &()).is_ok() && opened
    }

    #[test]
    fn the_url_of_a_redis_is_taken() {
        assert!(is_taken("redis://localhost"));
        assert!(is_taken("redis://:secret@localhost:6379/0"));
        assert!(is_redis_url(&None, &()).is_ok());
    }

    #[test]
    fn another_url_is_refused_and_not_shown() {
        for url in [
            "",
            "localhost:6379",
            "http://:hunter2@localhost",
            "redis://",
        ] {
            assert!(!is_taken(url), "{url}");
        }
        let refused = client(&"rediss ://:hunter2@x".into()).map(drop);
        let text = refused.map_err(|error| format!("{error} {error:?}"));
        assert!(text.is_err_and(|text| !text.contains("hunter2")));
    }
}
