//! The chain: each entry is sealed with a hash over itself and the hash before it.
//!
//! `hash = SHA-256(tag, chain, seq, prev, time, fields)`. Every field has its length before it and
//! an absent one is told apart from an empty one, so no two entries have the same bytes. Times are
//! cut to microseconds first: that is what the database keeps.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;

use super::Chain;
use super::entry::{Entry, Outcome, Salt};

/// A SHA-256.
pub type Digest = [u8; 32];

const NANOS_PER_MICRO: i128 = 1_000;

/// The end of a chain: what the next entry follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Which chain.
    pub chain: Chain,
    /// How many entries the chain has had.
    pub seq: i64,
    /// The hash of the last one.
    pub hash: Digest,
    /// When the last one was recorded; the next is not recorded before it.
    pub recorded_at: Option<OffsetDateTime>,
}

impl Head {
    /// The end of a chain that has no entry yet.
    #[must_use]
    pub fn genesis(chain: Chain) -> Self {
        let mut bytes = Canonical::new("tradepost audit genesis v1");
        bytes.bytes(chain.as_uuid().as_bytes());
        Self {
            chain,
            seq: 0,
            hash: Sha256::digest(bytes.into_vec()).into(),
            recorded_at: None,
        }
    }
}

/// An entry in its chain, as tables and exports hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Which chain.
    pub chain: Chain,
    /// Its place in the chain, counted from 1 without a gap.
    pub seq: i64,
    /// When, by the database's clock.
    pub recorded_at: OffsetDateTime,
    /// Who.
    pub actor: String,
    /// During which login.
    pub session: Option<String>,
    /// What.
    pub action: String,
    /// On what.
    pub object: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it did not come about.
    pub reason: Option<String>,
    /// In which trace.
    pub trace_id: Option<String>,
    /// The salted digest of where it came from.
    pub origin_digest: Option<Digest>,
    /// The rest.
    pub details: BTreeMap<String, String>,
    /// The hash of the entry before.
    pub prev: Digest,
    /// The hash of this one.
    pub hash: Digest,
}

impl Sealed {
    /// The end of a chain whose last entry is this.
    #[must_use]
    pub const fn head(&self) -> Head {
        Head {
            chain: self.chain,
            seq: self.seq,
            hash: self.hash,
            recorded_at: Some(self.recorded_at),
        }
    }

    /// The hash that its fields have; it differs from `hash` when one of them was changed.
    #[must_use]
    pub fn computed_hash(&self) -> Digest {
        Sha256::digest(self.canonical()).into()
    }

    /// What is hashed.
    #[must_use]
    pub fn canonical(&self) -> Vec<u8> {
        let micros = self
            .recorded_at
            .unix_timestamp_nanos()
            .div_euclid(NANOS_PER_MICRO);
        let mut bytes = Canonical::new("tradepost audit entry v1");
        bytes.bytes(self.chain.as_uuid().as_bytes());
        bytes.bytes(&self.seq.to_be_bytes());
        bytes.bytes(&self.prev);
        bytes.bytes(&micros.to_be_bytes());
        bytes.text(&self.actor);
        bytes.optional(self.session.as_deref());
        bytes.text(&self.action);
        bytes.optional(self.object.as_deref());
        bytes.text(self.outcome.as_str());
        bytes.optional(self.reason.as_deref());
        bytes.optional(self.trace_id.as_deref());
        match &self.origin_digest {
            None => bytes.absent(),
            Some(digest) => bytes.bytes(digest),
        }
        bytes.count(self.details.len());
        for (name, value) in &self.details {
            bytes.text(name);
            bytes.text(value);
        }
        bytes.into_vec()
    }
}

impl Entry {
    /// The entry behind `head`, recorded at `now` or, should the clock have gone back, with the
    /// time of the entry before. `salt` is random.
    #[must_use]
    pub fn seal(&self, head: &Head, now: OffsetDateTime, salt: &Salt) -> Sealed {
        let now = cut(now);
        let details = self.details.iter();
        let mut sealed = Sealed {
            chain: self.chain,
            seq: head.seq.saturating_add(1),
            recorded_at: head.recorded_at.map_or(now, |before| before.max(now)),
            actor: self.actor.to_string(),
            session: self.session.map(|session| session.to_string()),
            action: self.action.to_owned(),
            object: self.object.clone(),
            outcome: self.outcome,
            reason: self.reason.clone(),
            trace_id: self.trace_id.clone(),
            origin_digest: self.origin.as_ref().map(|origin| origin.digest(salt)),
            details: details
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect(),
            prev: head.hash,
            hash: Digest::default(),
        };
        sealed.hash = sealed.computed_hash();
        sealed
    }
}

/// Cuts to microseconds.
fn cut(time: OffsetDateTime) -> OffsetDateTime {
    let micros = time.microsecond();
    time.replace_microsecond(micros).unwrap_or(time)
}

/// Bytes that only one sequence of fields has.
pub(super) struct Canonical(Vec<u8>);

impl Canonical {
    /// Empty but for the tag, which keeps these hashes apart from all others.
    pub(super) fn new(tag: &str) -> Self {
        let mut bytes = Self(Vec::with_capacity(512));
        bytes.text(tag);
        bytes
    }

    pub(super) fn count(&mut self, count: usize) {
        // 64 bits on every machine; a usize is never larger.
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.0.extend_from_slice(&count.to_be_bytes());
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// No field is this long.
    pub(super) fn absent(&mut self) {
        self.0.extend_from_slice(&u64::MAX.to_be_bytes());
    }

    pub(super) fn optional(&mut self, text: Option<&str>) {
        match text {
            None => self.absent(),
            Some(text) => self.text(text),
        }
    }

    pub(super) fn into_vec(self) -> Vec<u8> {
        self.0
    }
}

#[cfg(test)]
mod tests;
