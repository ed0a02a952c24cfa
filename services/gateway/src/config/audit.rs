//! The audit trail.

use std::path::PathBuf;

use garde::Validate;
use secrecy::SecretString;
use serde::{Deserialize, Serialize, Serializer};

/// The audit trail.
#[derive(Debug, Clone, Deserialize, Serialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct AuditConfig {
    /// How many entries may wait to be written; one more is refused, and with it its call.
    #[garde(range(min = 1, max = 1_000_000))]
    pub queue_max: usize,
    /// How many entries one transaction has at most.
    #[garde(range(min = 1, max = 5_000))]
    pub batch_max: usize,
    /// How long a call waits for its entry.
    #[garde(range(min = 10, max = 60_000))]
    pub write_timeout_ms: u64,
    /// How many months are kept besides the running one; older ones are dropped.
    #[garde(range(min = 1, max = 1_200))]
    pub keep_months: u16,
    /// The folder that signed checkpoints are appended to: best on another disk, where the
    /// gateway may append and not delete.
    #[garde(skip)]
    pub checkpoint_dir: Option<PathBuf>,
    /// The Ed25519 key that signs them, PKCS#8 in PEM. Without folder and key there are no
    /// checkpoints, and no month is dropped.
    #[serde(serialize_with = "masked")]
    #[garde(skip)]
    pub signing_key: Option<SecretString>,
    /// A chain is signed when it has so many new entries,
    #[garde(range(min = 1, max = 1_000_000))]
    pub checkpoint_entries: u32,
    /// or has had new ones for so long.
    #[garde(range(min = 1, max = 86_400))]
    pub checkpoint_seconds: u32,
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self {
            queue_max: 10_000,
            batch_max: 500,
            write_timeout_ms: 2_000,
            keep_months: 24,
            checkpoint_dir: None,
            signing_key: None,
            checkpoint_entries: 1_000,
            checkpoint_seconds: 60,
        }
    }
}

fn masked<S: Serializer>(key: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    key.as_ref().map(|_secret| "***").serialize(serializer)
}
