//! The port where services ask who may come in.

use std::net::SocketAddr;

use garde::Validate;
use serde::{Deserialize, Serialize};

/// The gRPC port for services that clients reach without the gateway in between.
#[derive(Debug, Clone, Deserialize, Serialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct AccessConfig {
    /// Where it is, e.g. `127.0.0.1:7050`; without it nobody can ask. It needs
    /// `server.auth.trust_path`: only who is named there with `access:admit` is answered.
    #[garde(skip)]
    pub listen_addr: Option<SocketAddr>,
    /// How many may watch what is revoked at once.
    #[garde(range(min = 1, max = 10_000))]
    pub watchers_max: usize,
}

impl Default for AccessConfig {
    fn default() -> Self {
        Self {
            listen_addr: None,
            watchers_max: 100,
        }
    }
}
