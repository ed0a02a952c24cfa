//! What is signed and kept outside the database: how far a chain was, and with which hash.

use time::OffsetDateTime;

use super::Chain;
use super::chain::{Canonical, Digest};

/// What a checkpoint says of the entries up to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// They are as they were.
    Mark,
    /// They may be gone: they were past their time.
    Cut,
}

impl Kind {
    /// The text outside.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mark => "mark",
            Self::Cut => "cut",
        }
    }
}

/// A place in a chain that was seen in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// What it says.
    pub kind: Kind,
    /// Which chain.
    pub chain: Chain,
    /// The place.
    pub seq: i64,
    /// The hash of the entry there.
    pub hash: Digest,
    /// When it was seen, to the second.
    pub time: OffsetDateTime,
}

impl Checkpoint {
    /// What is signed.
    #[must_use]
    pub fn canonical(&self) -> Vec<u8> {
        let mut bytes = Canonical::new("tradepost audit checkpoint v1");
        bytes.text(self.kind.as_str());
        bytes.bytes(self.chain.as_uuid().as_bytes());
        bytes.bytes(&self.seq.to_be_bytes());
        bytes.bytes(&self.hash);
        bytes.bytes(&self.time.unix_timestamp().to_be_bytes());
        bytes.into_vec()
    }
}
