//! What survives the process: all that was counted, and which batches, in bytes that say when they
//! are damaged. A tenant's batches are in as wholes; tenants are taken one after the other.

mod read;
mod write;

use crate::config::{Config, ConfigError};
use crate::processor::MetricsProcessor;

/// How every snapshot starts; the last byte is the version of its form.
const MAGIC: [u8; 8] = *b"tpmetr\0\x01";
/// Bytes of the checksum at the end: CRC-32 of all before it, little endian.
const CHECKSUM: usize = 4;

/// What a snapshot is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotKind {
    /// Counting goes on: what comes after it is missing in it.
    Running,
    /// Counting has ended: nothing is missing in it, and who restores it missed nothing either.
    Final,
}

/// Why a snapshot cannot be restored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// It is cut off or changed, or no snapshot at all.
    #[error("the bytes are not a snapshot, or a damaged one")]
    Damaged,
    /// Of a form that is not known here.
    #[error("the snapshot has version {0}, which is not known")]
    Version(u8),
    /// It has more tenants or producers than the configuration allows.
    #[error("the snapshot has more tenants or producers than the configuration allows")]
    DoesNotFit,
    /// The configuration itself is refused.
    #[error("the configuration is refused")]
    Config(#[from] ConfigError),
}

impl MetricsProcessor {
    /// All that is held, in bytes. Once they are stored, say so:
    /// [`MetricsProcessor::snapshot_stored`]. Events of a tenant wait while it is written.
    #[must_use]
    pub fn snapshot(&self, kind: SnapshotKind, now_ms: i64) -> Vec<u8> {
        self.write(kind, now_ms)
    }

    /// The last snapshot that was taken is stored: what it holds survives this process.
    pub fn snapshot_stored(&self) {
        for tenant in self.all_tenants() {
            tenant.book().ledger.stored();
        }
    }

    /// A processor that goes on where the one that took the snapshot was, when the clock says
    /// `now_ms`. What is older than a day by then is left out; event types for which there is no
    /// room go to the overflow series.
    ///
    /// # Errors
    /// [`SnapshotError`]: it is damaged, unknown, or does not fit; never a part of it is restored.
    pub fn restore(config: Config, bytes: &[u8], now_ms: i64) -> Result<Self, SnapshotError> {
        let processor = Self::new(config)?;
        let (magic, rest) = bytes
            .split_first_chunk::<8>()
            .ok_or(SnapshotError::Damaged)?;
        let ([known @ .., _], [given @ .., version]) = (MAGIC, *magic);
        if known != given {
            return Err(SnapshotError::Damaged);
        }
        if magic != &MAGIC {
            return Err(SnapshotError::Version(version));
        }
        let (content, checksum) = rest
            .split_last_chunk::<CHECKSUM>()
            .ok_or(SnapshotError::Damaged)?;
        let sum = crc32fast::hash(bytes.split_at(bytes.len() - CHECKSUM).0);
        if sum.to_le_bytes() != *checksum {
            return Err(SnapshotError::Damaged);
        }
        processor.read_from(content, now_ms)?;
        Ok(processor)
    }
}
