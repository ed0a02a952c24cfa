//! What an operator chooses of it.

use std::path::PathBuf;

use garde::Validate;
use serde::{Deserialize, Serialize};

/// Whom a process believes, and who it is itself. Both files are read again when they change.
#[derive(Debug, Clone, Deserialize, Serialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {
    /// The trust file: whose tokens are taken, and what they may say. A gRPC server does not
    /// start without it.
    #[garde(skip)]
    pub trust_path: Option<PathBuf>,
    /// The private key of this process (PKCS#8, PEM, Ed25519), if it calls others.
    #[garde(skip)]
    pub key_path: Option<PathBuf>,
    /// How often the files are looked at.
    #[garde(range(min = 10, max = 60_000))]
    pub poll_ms: u64,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            trust_path: None,
            key_path: None,
            poll_ms: 1_000,
        }
    }
}
