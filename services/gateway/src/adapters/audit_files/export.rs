//! The form in which a trail leaves the house: JSON, a line each (NDJSON).
//!
//! A head line, a line a row, an end line: an export without an end was cut off on its way.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::domain::audit::{Digest, Sealed};
use crate::ports::audit::{Kept, SaltedOrigin};

/// What the head line begins with.
pub const EXPORT_FORMAT: &str = "tradepost-audit-v1";

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportHead {
    /// The form of the lines.
    pub format: String,
    /// When it was begun: what was signed later may not be in it.
    #[serde(with = "time::serde::rfc3339")]
    pub exported_at: OffsetDateTime,
}

/// The last line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportEnd {
    /// How many rows stand before it.
    pub rows: u64,
}

/// Where an entry came from, as long as it is not erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parcel {
    /// The salt of the digest in the chain.
    pub salt: String,
    /// The client's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// What the client called itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
}

/// A row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of an entry")]
pub struct ExportRow {
    pub chain: String,
    pub seq: i64,
    #[serde(with = "time::serde::rfc3339")]
    pub recorded_at: OffsetDateTime,
    pub actor: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    pub action: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    pub outcome: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin_digest: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Parcel>,
    pub details: BTreeMap<String, String>,
    pub prev: String,
    pub hash: String,
}

impl From<Kept> for ExportRow {
    fn from(Kept { entry, origin }: Kept) -> Self {
        Self {
            chain: entry.chain.to_string(),
            seq: entry.seq,
            recorded_at: entry.recorded_at,
            actor: entry.actor,
            session: entry.session,
            action: entry.action,
            object: entry.object,
            outcome: entry.outcome.as_str().to_owned(),
            reason: entry.reason,
            trace_id: entry.trace_id,
            origin_digest: entry.origin_digest.map(hex::encode),
            origin: origin.map(|origin| Parcel {
                salt: hex::encode(origin.salt),
                address: origin.address,
                user_agent: origin.user_agent,
            }),
            details: entry.details,
            prev: hex::encode(entry.prev),
            hash: hex::encode(entry.hash),
        }
    }
}

impl ExportRow {
    /// The row as it was kept; `None` if a value in it is none of ours.
    #[must_use]
    pub fn into_kept(self) -> Option<Kept> {
        let origin = match self.origin {
            None => None,
            Some(parcel) => Some(SaltedOrigin {
                salt: hex::decode(parcel.salt).ok()?,
                address: parcel.address,
                user_agent: parcel.user_agent,
            }),
        };
        let origin_digest = match self.origin_digest {
            None => None,
            Some(digest) => Some(parse_digest(&digest)?),
        };
        let entry = Sealed {
            chain: self.chain.parse().ok()?,
            seq: self.seq,
            recorded_at: self.recorded_at,
            actor: self.actor,
            session: self.session,
            action: self.action,
            object: self.object,
            outcome: self.outcome.parse().ok()?,
            reason: self.reason,
            trace_id: self.trace_id,
            origin_digest,
            details: self.details,
            prev: parse_digest(&self.prev)?,
            hash: parse_digest(&self.hash)?,
        };
        Some(Kept { entry, origin })
    }
}

fn parse_digest(text: &str) -> Option<Digest> {
    let mut digest = Digest::default();
    hex::decode_to_slice(text, &mut digest).ok()?;
    Some(digest)
}
