//! What a simulator is started with.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Where webhooks go.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookTarget {
    /// The receiver.
    pub url: String,
    /// The secret they are signed with (`whsec_…`, used as it is).
    pub secret: String,
}

impl fmt::Debug for WebhookTarget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("WebhookTarget")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// Settings of one simulator; [`Config::default`] suits a test.
#[derive(Clone)]
pub struct Config {
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The durable log; `None` keeps it in memory.
    pub log: Option<PathBuf>,
    /// The only key that is let in.
    pub secret_key: String,
    /// `None` sends no webhooks.
    pub webhook: Option<WebhookTarget>,
    /// First pause before a webhook is sent again; it doubles up to a hundredfold.
    pub webhook_retry: Duration,
    /// Deliveries of one webhook before it is given up.
    pub webhook_attempts_max: u32,
    /// How long a slow capture or refund takes to end.
    pub settle_after: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            log: None,
            secret_key: "sk_test_sim".to_owned(),
            webhook: None,
            webhook_retry: Duration::from_millis(50),
            webhook_attempts_max: 12,
            settle_after: Duration::from_millis(250),
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Config")
            .field("listen", &self.listen)
            .field("log", &self.log)
            .field("webhook", &self.webhook)
            .finish_non_exhaustive()
    }
}
