//! From messages to what the engine takes.

use prost_types::Timestamp;
use tonic::Status;
use tradepost_aggregation::{Event, Grouping, Query};
use tradepost_proto::metrics::v1 as pb;
use tradepost_service::error::Violations;

use super::status;
use crate::adapters::grpc::DOMAIN;

/// The most event types a question may name.
const TYPES_MAX: usize = 100;

/// What is asked, without the tenant: it owns its texts, so that it can go to another thread.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) minutes: u32,
    pub(super) event_types: Vec<String>,
    pub(super) grouping: Grouping,
}

impl Question {
    /// As the engine takes it; `event_types` are its own.
    pub(super) const fn query<'a>(&self, event_types: &'a [&'a str]) -> Query<'a> {
        Query {
            minutes: self.minutes,
            event_types,
            grouping: self.grouping,
        }
    }
}

/// A single event; one that is missing is a bad field, and what is wrong within it is the engine's
/// to say.
pub(super) fn event(event: Option<&pb::Event>) -> Result<Event<'_>, Status> {
    let mut faults = Violations::new();
    let event = faults.take("event", event.ok_or("must be there"));
    faults.check(DOMAIN)?;
    Ok(match event {
        Some(event) => of_batch(event),
        None => nothing(),
    })
}

/// An event of a batch.
pub(super) fn of_batch(event: &pb::Event) -> Event<'_> {
    Event {
        time_ms: event.event_time.and_then(millis).unwrap_or(Event::NO_TIME),
        user_id: &event.user_id,
        event_type: &event.event_type,
        value: event.value,
    }
}

/// Milliseconds since 1970, if it is a timestamp that may be one.
fn millis(time: Timestamp) -> Option<i64> {
    let nanos = u32::try_from(time.nanos)
        .ok()
        .filter(|nanos| *nanos < 1_000_000_000)?;
    time.seconds
        .checked_mul(1_000)?
        .checked_add(i64::from(nanos / 1_000_000))
}

/// The clock of the node that asks.
pub(super) fn as_of(time: Option<Timestamp>) -> Option<i64> {
    time.and_then(millis)
}

pub(super) fn question(request: &pb::GetAggregatesRequest) -> Result<Question, Status> {
    let mut faults = Violations::new();
    if request.event_types.len() > TYPES_MAX {
        faults.add("event_types", format!("must be at most {TYPES_MAX}"));
    }
    let grouping = pb::Grouping::try_from(request.grouping).map_err(|_unknown| "is not known");
    let grouping = faults.take("grouping", grouping);
    if pb::Scope::try_from(request.scope).is_err() {
        faults.add("scope", "is not known");
    }
    faults.check(DOMAIN)?;
    let question = Question {
        minutes: request.minutes,
        event_types: request.event_types.clone(),
        grouping: match grouping {
            Some(pb::Grouping::Minute) => Grouping::Minute,
            Some(pb::Grouping::Second) => Grouping::Second,
            Some(pb::Grouping::None | pb::Grouping::Unspecified) | None => Grouping::None,
        },
    };
    question.query(&[]).check().map_err(status::query)?;
    Ok(question)
}

/// What may be watched.
pub(super) fn watch(request: &pb::GetAggregatesRequest) -> Result<(), Status> {
    let mut faults = Violations::new();
    if request.grouping() == pb::Grouping::Second {
        faults.add("query.grouping", "must not be by second");
    }
    faults.check(DOMAIN)?;
    question(request).map(drop)
}

/// What stands for an event that is not there; it is never counted.
fn nothing() -> Event<'static> {
    Event {
        time_ms: Event::NO_TIME,
        user_id: "",
        event_type: "",
        value: 0.0,
    }
}
