//! The messaging section of a service's configuration.

use std::time::Duration;

use lapin::uri::AMQPUri;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use tradepost_postgres::Pace;

/// The client keeps 32 frames each for reading and for writing, of each connection: with the 128 KiB
/// that RabbitMQ offers 16 MB a service, most of what one held (ADR 50). A longer body takes several
/// frames; headers, which have to fit into one, are far shorter.
const FRAME_BYTES_MAX: u32 = 16 * 1024;

/// How a service reaches the broker, and the limits of relay, consumers and retries.
#[derive(Debug, Clone, Deserialize, Serialize, garde::Validate)]
#[serde(default, deny_unknown_fields)]
pub struct MessagingConfig {
    /// URL of the broker: `amqp://user:password@host:port/vhost`, or `amqps://`.
    #[serde(serialize_with = "masked")]
    #[garde(custom(is_amqp_url))]
    pub url: SecretString,
    /// Put before every exchange and queue name, so that tests share a broker unnoticed. Queues of
    /// a namespace expire when nobody uses them.
    #[garde(inner(length(max = 64)))]
    pub namespace: Option<String>,
    /// Relays of this process that overlap one's claim with another's wait for confirms.
    #[garde(range(min = 1, max = 8))]
    pub relay_lanes: usize,
    /// Messages a lane publishes before it waits for their confirms.
    #[garde(range(min = 1, max = 2_000))]
    pub relay_batch_max: u32,
    /// How far apart a worker's batches begin under load, in which they fill: after one with the
    /// messages of several orders. 0 takes each as it comes. What comes alone never waits.
    #[garde(range(max = 1_000))]
    pub batch_gap_ms: u64,
    /// How often the relay looks for rows that nobody woke it for.
    #[garde(range(min = 10, max = 60_000))]
    pub relay_poll_ms: u64,
    /// How long one window may take from the first publish to the last confirm. It must stay below
    /// the database's time-out for idle transactions, because the claim is held meanwhile.
    #[garde(range(min = 100, max = 30_000))]
    pub confirm_timeout_ms: u64,
    /// How long connecting to the broker may take.
    #[garde(range(min = 100, max = 60_000))]
    pub connect_timeout_ms: u64,
    /// Silence after which a connection is doubted; it is dropped after twice that.
    #[garde(range(min = 1, max = 300))]
    pub heartbeat_seconds: u16,
    /// Consumers per subscription, each with its own batches.
    #[garde(range(min = 1, max = 16))]
    pub consumer_workers: usize,
    /// How long a handler may work on one batch before that counts as a failure.
    #[garde(range(min = 100, max = 600_000))]
    pub handler_timeout_ms: u64,
    /// How often due retry rows are looked for.
    #[garde(range(min = 10, max = 60_000))]
    pub retry_poll_ms: u64,
    /// Wait before the first retry from a row; it doubles with every failure.
    #[garde(range(min = 10, max = 600_000))]
    pub retry_backoff_min_ms: u64,
    /// The longest wait between two retries.
    #[garde(range(min = 10, max = 86_400_000))]
    pub retry_backoff_max_ms: u64,
    /// After this many rounds a message is parked.
    #[garde(range(min = 1, max = 1_000))]
    pub retry_attempts_max: u32,
    /// How long a handled message is remembered, hence how late a duplicate is still harmless.
    #[garde(range(min = 1, max = 8_760))]
    pub inbox_retention_hours: u32,
}

impl Default for MessagingConfig {
    fn default() -> Self {
        Self {
            url: SecretString::from("amqp://guest:guest@127.0.0.1:5672/%2f"),
            namespace: None,
            relay_lanes: 1,
            relay_batch_max: 500,
            batch_gap_ms: 3,
            relay_poll_ms: 250,
            confirm_timeout_ms: 5_000,
            connect_timeout_ms: 5_000,
            heartbeat_seconds: 10,
            consumer_workers: 1,
            handler_timeout_ms: 30_000,
            retry_poll_ms: 500,
            retry_backoff_min_ms: 1_000,
            retry_backoff_max_ms: 300_000,
            retry_attempts_max: 10,
            inbox_retention_hours: 168,
        }
    }
}

impl MessagingConfig {
    pub(crate) fn relay_poll(&self) -> Duration {
        Duration::from_millis(self.relay_poll_ms)
    }

    pub(crate) fn pace(&self) -> Pace {
        Pace::new(Duration::from_millis(self.batch_gap_ms))
    }

    pub(crate) fn confirm_timeout(&self) -> Duration {
        Duration::from_millis(self.confirm_timeout_ms)
    }

    pub(crate) fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    pub(crate) fn handler_timeout(&self) -> Duration {
        Duration::from_millis(self.handler_timeout_ms)
    }

    pub(crate) fn retry_poll(&self) -> Duration {
        Duration::from_millis(self.retry_poll_ms)
    }

    /// The parsed URL, with our heartbeat and our frames unless the URL names others.
    pub(crate) fn uri(&self) -> Result<AMQPUri, String> {
        let mut uri: AMQPUri = self.url.expose_secret().parse()?;
        uri.query.heartbeat.get_or_insert(self.heartbeat_seconds);
        uri.query.frame_max.get_or_insert(FRAME_BYTES_MAX);
        Ok(uri)
    }

    /// The broker's name for one of our exchanges or queues.
    pub(crate) fn name(&self, plain: &str) -> String {
        match &self.namespace {
            Some(namespace) => format!("{namespace}.{plain}"),
            None => plain.to_owned(),
        }
    }
}

fn is_amqp_url(url: &SecretString, _context: &()) -> garde::Result {
    // The parser's own text could repeat the password.
    url.expose_secret()
        .parse::<AMQPUri>()
        .map(drop)
        .map_err(|_unsafe_to_show| {
            garde::Error::new("must be amqp://user:password@host:port/vhost")
        })
}

fn masked<S: Serializer>(_url: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str("***")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame_max(url: &str) -> Option<u32> {
        let config = MessagingConfig {
            url: SecretString::from(url),
            ..MessagingConfig::default()
        };
        config.uri().unwrap().query.frame_max
    }

    #[test]
    fn frames_are_small_unless_the_url_says_otherwise() {
        let plain = frame_max("amqp://guest:guest@127.0.0.1/%2f");
        let named = frame_max("amqp://guest:guest@127.0.0.1/%2f?frame_max=131072");

        assert_eq!(plain, Some(16_384));
        assert_eq!(named, Some(131_072));
    }
}
