//! E-mail.

use std::path::PathBuf;

use garde::Validate;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tradepost_service::config::secret;
use url::Url;

use crate::domain::email::EmailAddress;

/// How the connection to the mail server is kept from others' eyes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EmailTls {
    /// TLS from the first byte, by default at port 465.
    Implicit,
    /// TLS by STARTTLS, by default at port 587; without it nothing is sent.
    Starttls,
    /// None; only with `allow_plaintext`.
    None,
}

/// E-mail, and the mail server that takes it. Without this section nothing is mailed; addresses are kept
/// either way.
#[derive(Debug, Clone, Deserialize, Serialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct EmailConfig {
    /// The mail server's name, which its certificate is for.
    #[garde(length(min = 1, max = 253))]
    pub host: String,
    /// Its port; none: as `tls` says.
    #[garde(skip)]
    pub port: Option<u16>,
    /// How the connection is secured.
    #[garde(skip)]
    pub tls: EmailTls,
    /// A file of a certificate, as PEM, that vouches for the server's besides the public ones.
    #[garde(skip)]
    pub ca_path: Option<PathBuf>,
    /// Whether `tls` may be `none`. For tests and a laptop: others read what is sent, and the secret.
    #[garde(skip)]
    pub allow_plaintext: bool,
    /// Who we are at the server. With `secret`.
    #[garde(inner(length(min = 1, max = 255)))]
    pub user: Option<String>,
    /// By what it knows us.
    #[garde(skip)]
    #[serde(serialize_with = "secret::mask_option")]
    pub secret: Option<SecretString>,
    /// From whom mails are; what cannot be delivered comes back there.
    #[garde(custom(is_address))]
    pub from_address: String,
    /// How that is called.
    #[garde(length(chars, max = 100))]
    pub from_name: String,
    /// Where people say that they want no more: the header `List-Unsubscribe`.
    #[garde(inner(custom(is_web)))]
    pub unsubscribe_url: Option<String>,
    /// How often new notifications and due e-mails are looked for.
    #[garde(range(min = 10, max = 60_000))]
    pub look_ms: u64,
    /// Notifications taken from the history at once; those of one transaction stay together.
    #[garde(range(min = 1, max = 10_000))]
    pub follow_batch_max: u32,
    /// What was told longer ago is mailed to nobody any more.
    #[garde(range(min = 1, max = 720))]
    pub late_hours_max: u32,
    /// Mails of this process under way at once: so many connections.
    #[garde(range(min = 1, max = 1_000))]
    pub in_flight_max: usize,
    /// Of these of one tenant, over all processes.
    #[garde(range(min = 1, max = 1_000))]
    pub tenant_in_flight_max: u32,
    /// How long handing over one mail may take.
    #[garde(range(min = 100, max = 300_000))]
    pub timeout_ms: u64,
    /// The waits before the second, third, ... attempt. After the last one it has failed.
    #[garde(length(max = 20), inner(range(min = 1, max = 10_080)))]
    pub retry_minutes: Vec<u32>,
    /// For how many days e-mails are kept, whatever became of them.
    #[garde(range(min = 7, max = 3_650))]
    pub kept_days: u32,
}

impl Default for EmailConfig {
    fn default() -> Self {
        Self {
            host: String::new(),
            port: None,
            tls: EmailTls::Implicit,
            ca_path: None,
            allow_plaintext: false,
            user: None,
            secret: None,
            from_address: String::new(),
            from_name: String::new(),
            unsubscribe_url: None,
            look_ms: 1_000,
            follow_batch_max: 500,
            late_hours_max: 72,
            in_flight_max: 16,
            tenant_in_flight_max: 8,
            timeout_ms: 60_000,
            retry_minutes: vec![1, 5, 15, 60, 240, 720, 1_440],
            kept_days: 30,
        }
    }
}

fn is_address(address: &str, (): &()) -> garde::Result {
    EmailAddress::parse(address)
        .map(|_address| ())
        .map_err(garde::Error::new)
}

fn is_web(url: &str, (): &()) -> garde::Result {
    match Url::parse(url) {
        Ok(url) if url.scheme() == "https" && url.has_host() => Ok(()),
        Ok(_) | Err(_) => Err(garde::Error::new("must be an https URL")),
    }
}
