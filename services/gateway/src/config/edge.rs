//! What concerns connections and requests before anybody is asked who they are.

use std::path::PathBuf;

use garde::Validate;
use serde::{Deserialize, Serialize};

use crate::http::origin_fault;

/// Limits of this process. The sizes of heads and bodies are no choice: they are part of the API.
#[derive(Debug, Clone, Deserialize, Serialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// How many connections may be open; one more is told to come back and closed.
    #[garde(range(min = 1, max = 100_000))]
    pub connections_max: usize,
    /// How many of them may come from one address (IPv6: from one /64). Trusted proxies are exempt.
    #[garde(range(min = 1, max = 100_000))]
    pub address_connections_max: usize,
    /// How long a new connection may stay silent.
    #[garde(range(min = 10, max = 600_000))]
    pub first_byte_ms: u64,
    /// How long the head of a request may take to arrive, from its first byte.
    #[garde(range(min = 10, max = 600_000))]
    pub head_read_ms: u64,
    /// How long a connection may be idle between two requests.
    #[garde(range(min = 10, max = 600_000))]
    pub idle_ms: u64,
    /// After this age every answer ends its connection.
    #[garde(range(min = 10, max = 86_400_000))]
    pub age_ms: u64,
    /// How long the body of a request may take to arrive.
    #[garde(range(min = 10, max = 600_000))]
    pub body_read_ms: u64,
    /// How fast a body must arrive on average, once it has had `body_grace_ms`.
    #[garde(range(min = 1, max = 1_000_000_000))]
    pub body_bytes_per_second_min: u64,
    /// How long a body may be slower than that at its beginning.
    #[garde(range(min = 10, max = 600_000))]
    pub body_grace_ms: u64,
    /// How long the client may take to make room for what is being written.
    #[garde(range(min = 10, max = 600_000))]
    pub write_ms: u64,
    /// How many requests may wait for their order at once (`Prefer: wait`); they do not count as
    /// running, and one more is answered without a wait.
    #[garde(range(min = 1, max = 100_000))]
    pub waits_max: usize,
    /// How long connections are still taken after the signal to stop, so that callers learn of it
    /// by an answer and not by a refused connection.
    #[garde(range(max = 60_000))]
    pub linger_ms: u64,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            connections_max: 8_192,
            address_connections_max: 1_024,
            first_byte_ms: 10_000,
            head_read_ms: 10_000,
            idle_ms: 60_000,
            age_ms: 600_000,
            body_read_ms: 30_000,
            body_bytes_per_second_min: 1_024,
            body_grace_ms: 5_000,
            write_ms: 30_000,
            waits_max: 4_096,
            linger_ms: 500,
        }
    }
}

/// The certificate of the REST port. Not `_file`: a variable of that name would be read as a
/// secret.
#[derive(Debug, Clone, Default, Deserialize, Serialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificate chain (PEM), the server's own first. Changed files are taken up while the
    /// process runs.
    #[garde(custom(goes_with(&self.key_path)))]
    pub cert_path: Option<PathBuf>,
    /// Its private key (PEM).
    #[garde(skip)]
    pub key_path: Option<PathBuf>,
    /// How long a handshake may take.
    #[garde(range(min = 10, max = 60_000))]
    pub handshake_ms: Option<u64>,
}

/// The pages that may call the API from a browser.
#[derive(Debug, Clone, Default, Deserialize, Serialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct CorsConfig {
    /// Exact origins, e.g. `https://shop.example`; tenants have their own besides.
    #[garde(length(max = 256), inner(custom(is_origin)))]
    pub origins: Vec<String>,
}

fn goes_with(key: &Option<PathBuf>) -> impl FnOnce(&Option<PathBuf>, &()) -> garde::Result {
    let has_key = key.is_some();
    move |certificate, ()| match certificate.is_some() == has_key {
        true => Ok(()),
        false => Err(garde::Error::new("cert_path and key_path go together")),
    }
}

fn is_origin(text: &str, (): &()) -> garde::Result {
    origin_fault(text).map_or(Ok(()), |fault| Err(garde::Error::new(fault)))
}
