//! From an entry to its batch.
//!
//! An entry is either `request`, the bytes of an `IngestEventsRequest`, or one event in readable
//! fields: `type` and `value`, and if wanted `tenant`, `time_ms`, `user`, and a name: `producer` and
//! `sequence`, or `key` (and then `time_ms` too). What has no name is called by its id in the stream.

use std::str::FromStr;

use prost::Message;
use prost_types::Timestamp;
use tradepost_proto::metrics::v1 as pb;

use crate::adapters::grpc::analytics::batch::entry::{Allowed, Refusal, read};
use crate::adapters::grpc::analytics::batch::{Parsed, Window};
use crate::adapters::naming;

/// An entry as Redis has it. One that was deleted while nobody had acknowledged it has no fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) fields: Option<Vec<Vec<u8>>>,
}

/// Why an entry is not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// Of a small vocabulary; it groups refusals.
    pub(super) reason: String,
    /// For the person who looks at it.
    pub(super) detail: String,
}

impl Fault {
    pub(super) fn new(reason: &str, detail: impl Into<String>) -> Self {
        Self {
            reason: reason.to_owned(),
            detail: detail.into(),
        }
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self {
            reason: refusal.reason,
            detail: refusal.message,
        }
    }
}

fn malformed(detail: impl Into<String>) -> Fault {
    Fault::new("MALFORMED", detail)
}

/// The stream an entry is in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) key: &'a str,
    pub(super) allowed: &'a Allowed,
    pub(super) window: Window,
}

impl Entry {
    /// How many bytes it has.
    pub(super) fn bytes(&self) -> usize {
        self.fields.iter().flatten().map(Vec::len).sum()
    }

    /// Reads it.
    pub(super) fn read(&self, place: Place<'_>) -> Result<Parsed, Fault> {
        let fields = self.fields.as_deref().unwrap_or_default();
        let request = request(&self.id, fields)?;
        let source = format!("stream {}", place.key);
        let name = naming::of_source(&source, self.id.as_bytes(), &content(fields));
        Ok(read(request, place.allowed, name, place.window)?)
    }
}

/// All fields, each with its length before it, so that no two contents are written alike.
fn content(fields: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(fields.iter().map(|field| field.len() + 8).sum());
    for field in fields {
        bytes.extend_from_slice(&(field.len() as u64).to_be_bytes());
        bytes.extend_from_slice(field);
    }
    bytes
}

fn request(id: &str, fields: &[Vec<u8>]) -> Result<pb::IngestEventsRequest, Fault> {
    if let [name, body] = fields
        && name == b"request"
    {
        return pb::IngestEventsRequest::decode(body.as_slice())
            .map_err(|fault| malformed(format!("request: {fault}")));
    }
    let event = Readable::read(fields)?.batch(id)?;
    Ok(pb::IngestEventsRequest {
        batch: Some(pb::ingest_events_request::Batch::Events(event)),
    })
}

/// The readable fields of one event.
#[derive(Debug, Default)]
struct Readable<'a> {
    tenant: Option<&'a str>,
    producer: Option<&'a str>,
    sequence: Option<&'a str>,
    key: Option<&'a str>,
    event_type: Option<&'a str>,
    value: Option<&'a str>,
    user: Option<&'a str>,
    time_ms: Option<&'a str>,
}

impl<'a> Readable<'a> {
    fn read(fields: &'a [Vec<u8>]) -> Result<Self, Fault> {
        let mut readable = Self::default();
        for pair in fields.chunks(2) {
            let [name, text] = pair else {
                return Err(malformed("a field has no value"));
            };
            let Ok(text) = std::str::from_utf8(text) else {
                return Err(malformed("a field is not UTF-8"));
            };
            let field = match name.as_slice() {
                b"tenant" => &mut readable.tenant,
                b"producer" => &mut readable.producer,
                b"sequence" => &mut readable.sequence,
                b"key" => &mut readable.key,
                b"type" => &mut readable.event_type,
                b"value" => &mut readable.value,
                b"user" => &mut readable.user,
                b"time_ms" => &mut readable.time_ms,
                // A misspelt field would be left out in silence.
                _ => return Err(malformed("a field is unknown, or stands beside request")),
            };
            if field.replace(text).is_some() {
                return Err(malformed("a field comes twice"));
            }
        }
        Ok(readable)
    }

    fn batch(&self, id: &str) -> Result<pb::EventBatch, Fault> {
        let text = |field: Option<&str>| field.unwrap_or_default().to_owned();
        if self.key.is_some() && self.time_ms.is_none() {
            // Written again it would have another id, so another time, and be another event.
            return Err(malformed("time_ms is required beside key"));
        }
        let written_ms = id.split('-').next();
        let at_ms: i64 = number("time_ms", self.time_ms.or(written_ms))?;
        let nanos = i32::try_from(at_ms.rem_euclid(1_000)).unwrap_or_default() * 1_000_000;
        let event = pb::Event {
            event_time: Some(Timestamp {
                seconds: at_ms.div_euclid(1_000),
                nanos,
            }),
            user_id: text(self.user),
            event_type: text(self.event_type),
            value: number("value", self.value)?,
        };
        Ok(pb::EventBatch {
            tenant_id: text(self.tenant),
            producer_id: text(self.producer),
            sequence: self
                .sequence
                .map_or(Ok(0), |text| number("sequence", Some(text)))?,
            events: vec![event],
            batch_key: text(self.key),
        })
    }
}

fn number<N: FromStr>(field: &str, text: Option<&str>) -> Result<N, Fault> {
    let number = text.and_then(|text| text.parse().ok());
    number.ok_or_else(|| malformed(format!("{field} must be a number")))
}

#[cfg(test)]
mod tests;
