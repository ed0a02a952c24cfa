//! What a batch is called, so that it counts once.

use super::ProducerId;

/// What a batch is called within its tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchName {
    /// By its number, of a sender who counts.
    Numbered {
        /// Who sent it.
        producer: ProducerId,
        /// Its number by its producer; above 0.
        sequence: i64,
    },
    /// By a key, of a sender who keeps no count.
    Keyed {
        /// The SHA-256 of the key.
        key: [u8; 32],
        /// The SHA-256 of the content: the same key must not come with another.
        content: [u8; 32],
    },
}

impl BatchName {
    /// The batch's own number; 0 for one that has a key.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        match self {
            Self::Numbered { sequence, .. } => sequence.unsigned_abs(),
            Self::Keyed { .. } => 0,
        }
    }
}
