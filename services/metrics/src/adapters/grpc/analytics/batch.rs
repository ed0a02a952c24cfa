//! From the batches of the wire to those that are stored. Events are refused one by one, by their
//! place; what is wrong with the batch itself refuses it whole.

pub(crate) mod entry;
mod head;

use std::collections::HashMap;

use self::head::Head;
pub(crate) use self::head::Origin;
use super::parse;
use crate::adapters::grpc::DOMAIN;
use crate::domain::{EventType, Grain};
use crate::ports::{Batch, Event};
use prost_types::Timestamp;
use tonic::{Code, Status};
use tradepost_proto::metrics::v1 as pb;
use tradepost_proto::metrics::v1::RejectionReason as Reason;
use tradepost_service::error::{Failure, Violations};

const EVENTS_MAX: usize = 10_000;
const RECORDS_MAX: usize = 50_000;
const RECORD_BYTES: usize = 20;
const TYPES_MAX: usize = 1_000;
const USER_BYTES_MAX: usize = 128;
/// Rejections that are told of.
const TOLD_MAX: usize = 100;
/// The greatest magnitude of a value, of live counting too.
const VALUE_MAX: f64 = tradepost_aggregation::Event::VALUE_MAX;
/// By how much clocks differ.
const AHEAD_MS_MAX: i64 = 5_000;

/// Between which moments events are taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    oldest_ms: i64,
    newest_ms: i64,
}

impl Window {
    pub(crate) fn at(now_ms: i64, history_days: u16) -> Self {
        let history_ms = i64::from(history_days) * Grain::Day.width_ms();
        Self {
            oldest_ms: now_ms - history_ms,
            newest_ms: now_ms + AHEAD_MS_MAX,
        }
    }

    const fn check(&self, at_ms: i64) -> Result<(), Reason> {
        if at_ms < self.oldest_ms {
            return Err(Reason::TooOld);
        }
        if at_ms > self.newest_ms {
            return Err(Reason::InFuture);
        }
        Ok(())
    }
}

/// A batch to store, and what of it is not.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub(crate) batch: Batch,
    pub(crate) rejected: u32,
    pub(crate) rejections: Vec<pb::Rejection>,
}

/// Reads a batch, wherever it comes from.
pub(crate) fn parse(
    request: pb::IngestEventsRequest,
    origin: &dyn Origin,
    window: Window,
) -> Result<Parsed, Status> {
    use pb::ingest_events_request::Batch as Sent;
    match request.batch {
        Some(Sent::Events(sent)) => {
            let count = sent.events.len();
            let head = Head::readable(origin, &sent)?;
            sized(count, EVENTS_MAX, "events")?;
            Ok(Reading::new(head, window, count).readable(&sent.events))
        }
        Some(Sent::Packed(sent)) => {
            let head = Head::packed(origin, &sent)?;
            Ok(Reading::new(head, window, packed_count(&sent)?).packed(&sent))
        }
        None => Err(Failure::new(
            Code::InvalidArgument,
            "INVALID_FIELD",
            DOMAIN,
            "batch is required",
        )
        .field("batch", "is required")
        .into()),
    }
}

fn refused(reason: &'static str, field: &str, fault: String) -> Status {
    Failure::new(
        Code::InvalidArgument,
        reason,
        DOMAIN,
        format!("{field} {fault}"),
    )
    .field(field, fault)
    .into()
}

fn sized(count: usize, max: usize, field: &'static str) -> Result<(), Status> {
    let mut faults = Violations::new();
    if count == 0 {
        faults.add(field, "must not be empty");
    }
    faults.check(DOMAIN)?;
    if count > max {
        let fault = format!("has {count}; at most {max}");
        return Err(refused("BATCH_TOO_LARGE", field, fault));
    }
    Ok(())
}

fn packed_count(sent: &pb::PackedBatch) -> Result<usize, Status> {
    let mut faults = Violations::new();
    if !sent.records.len().is_multiple_of(RECORD_BYTES) {
        faults.add("records", "must be whole records of 20 bytes");
    }
    faults.check(DOMAIN)?;
    let count = sent.records.len() / RECORD_BYTES;
    sized(count, RECORDS_MAX, "records")?;
    for (field, count, max) in [
        ("event_types", sent.event_types.len(), TYPES_MAX),
        ("user_ids", sent.user_ids.len(), RECORDS_MAX),
    ] {
        if count > max {
            let fault = format!("has {count}; at most {max}");
            return Err(refused("BATCH_TOO_LARGE", field, fault));
        }
    }
    Ok(count)
}

/// A batch in the making.
struct Reading {
    batch: Batch,
    window: Window,
    rejected: u32,
    rejections: Vec<pb::Rejection>,
}

/// An event whose words have places.
struct Placed {
    at_ms: i64,
    value: f64,
    event_type: u16,
    user: u16,
}

impl Reading {
    fn new(head: Head, window: Window, events: usize) -> Self {
        let batch = Batch {
            tenant: head.tenant,
            name: head.name,
            types: Vec::new(),
            users: vec![Box::default()],
            events: Vec::with_capacity(events),
        };
        Self {
            batch,
            window,
            rejected: 0,
            rejections: Vec::new(),
        }
    }

    fn readable(mut self, events: &[pb::Event]) -> Parsed {
        let mut types: HashMap<&str, Result<u16, Reason>> = HashMap::new();
        let mut users: HashMap<&str, Result<u16, Reason>> = HashMap::from([("", Ok(0))]);
        for (place, event) in (0..).zip(events) {
            let placed = (|| {
                let event_type = *types
                    .entry(&event.event_type)
                    .or_insert_with_key(|name| learn_type(&mut self.batch.types, name));
                let user = *users
                    .entry(&event.user_id)
                    .or_insert_with_key(|name| learn_user(&mut self.batch.users, name));
                Ok(Placed {
                    at_ms: millis(event.event_time.as_ref())?,
                    value: event.value,
                    event_type: event_type?,
                    user: user?,
                })
            })();
            self.take(place, placed);
        }
        self.finish()
    }

    fn packed(mut self, sent: &pb::PackedBatch) -> Parsed {
        // By the place that the sender gave it, where it stands with us.
        let types: Vec<_> = sent
            .event_types
            .iter()
            .map(|name| learn_type(&mut self.batch.types, name))
            .collect();
        let users: Vec<_> = sent
            .user_ids
            .iter()
            .map(|name| learn_user(&mut self.batch.users, name))
            .collect();
        for (place, record) in (0..).zip(sent.records.chunks_exact(RECORD_BYTES)) {
            let placed = Record::read(record)
                .ok_or(Reason::TimeInvalid)
                .and_then(|record| {
                    let at_ms = sent.base_time_ms.checked_add(i64::from(record.after_ms));
                    let user = match record.user.checked_sub(1) {
                        None => Ok(0),
                        Some(user) => placed_at(&users, user),
                    };
                    Ok(Placed {
                        at_ms: at_ms.ok_or(Reason::TimeInvalid)?,
                        value: record.value,
                        event_type: placed_at(&types, record.event_type)?,
                        user: user?,
                    })
                });
            self.take(place, placed);
        }
        self.finish()
    }

    fn take(&mut self, place: u16, placed: Result<Placed, Reason>) {
        let good = placed.and_then(|placed| {
            self.window.check(placed.at_ms)?;
            number(placed.value)?;
            Ok(placed)
        });
        match good {
            Ok(placed) => self.batch.events.push(Event {
                at_ms: placed.at_ms,
                value: placed.value,
                place,
                event_type: placed.event_type,
                user: placed.user,
            }),
            Err(reason) => {
                self.rejected += 1;
                if self.rejections.len() < TOLD_MAX {
                    self.rejections.push(pb::Rejection {
                        index: u32::from(place),
                        reason: reason.into(),
                    });
                }
            }
        }
    }

    fn finish(self) -> Parsed {
        Parsed {
            batch: self.batch,
            rejected: self.rejected,
            rejections: self.rejections,
        }
    }
}

fn learn_type(types: &mut Vec<EventType>, name: &str) -> Result<u16, Reason> {
    let name = EventType::try_from(name).map_err(|_fault| Reason::EventTypeInvalid)?;
    let place = u16::try_from(types.len()).map_err(|_full| Reason::EventTypeInvalid)?;
    types.push(name);
    Ok(place)
}

fn learn_user(users: &mut Vec<Box<str>>, name: &str) -> Result<u16, Reason> {
    // A text of the database cannot hold a zero.
    if name.len() > USER_BYTES_MAX || name.contains('\0') {
        return Err(Reason::UserIdInvalid);
    }
    let place = u16::try_from(users.len()).map_err(|_full| Reason::UserIdInvalid)?;
    users.push(name.into());
    Ok(place)
}

/// Finite is not enough: sums of the greatest floats are none, and the database refuses to add them.
const fn number(value: f64) -> Result<(), Reason> {
    if !value.is_finite() {
        return Err(Reason::ValueNotFinite);
    }
    if value.abs() > VALUE_MAX {
        return Err(Reason::ValueTooLarge);
    }
    Ok(())
}

fn placed_at(places: &[Result<u16, Reason>], place: u32) -> Result<u16, Reason> {
    let place = usize::try_from(place).ok();
    let known = place.and_then(|place| places.get(place).copied());
    known.unwrap_or(Err(Reason::PlaceUnknown))
}

fn millis(time: Option<&Timestamp>) -> Result<i64, Reason> {
    time.and_then(parse::millis).ok_or(Reason::TimeInvalid)
}

/// One packed event.
struct Record {
    after_ms: u32,
    event_type: u32,
    user: u32,
    value: f64,
}

impl Record {
    fn read(bytes: &[u8]) -> Option<Self> {
        let (after_ms, rest) = bytes.split_first_chunk()?;
        let (event_type, rest) = rest.split_first_chunk()?;
        let (user, rest) = rest.split_first_chunk()?;
        let (value, _) = rest.split_first_chunk()?;
        Some(Self {
            after_ms: u32::from_le_bytes(*after_ms),
            event_type: u32::from_le_bytes(*event_type),
            user: u32::from_le_bytes(*user),
            value: f64::from_le_bytes(*value),
        })
    }
}

#[cfg(test)]
mod tests;
