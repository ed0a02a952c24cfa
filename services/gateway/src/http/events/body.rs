//! Events as JSON.

use serde::{Deserialize, Serialize};
use tradepost_proto::metrics::v1 as pb;
use utoipa::{IntoParams, ToSchema};

use crate::http::problem::Problem;
use crate::http::values::{Time, finite, instant, text};

/// The most events of a request.
pub(super) const EVENTS_MAX: usize = 10_000;

/// An event to be stored: something that happened at a moment and has a number.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewEvent {
    /// When it happened. It is counted by this time, not by that of arrival.
    event_time: Time,
    /// Who did it; left out where nobody did. Nothing that names a person.
    #[schema(nullable = false, max_length = 128, example = "user-4711")]
    user_id: Option<String>,
    /// What it was: a letter, then letters, digits, `.`, `_` and `-`, all in lower case.
    #[schema(min_length = 1, max_length = 64, example = "page.viewed")]
    event_type: String,
    /// The number, at most 1e100 in magnitude. Its unit belongs to the event type. Kept as a double
    /// (IEEE 754).
    #[schema(example = 12.5)]
    value: f64,
}

impl From<NewEvent> for pb::Event {
    fn from(event: NewEvent) -> Self {
        Self {
            event_time: Some(event.event_time.into()),
            user_id: event.user_id.unwrap_or_default(),
            event_type: event.event_type,
            value: event.value,
        }
    }
}

/// Events that are stored together.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewBatch {
    /// Who sends it, if they count what they send: the same over restarts. Of `a-z A-Z 0-9 . _ -`.
    /// With `sequence`, or left out for an `Idempotency-Key`.
    #[schema(
        nullable = false,
        min_length = 1,
        max_length = 64,
        example = "checkout-1"
    )]
    pub(super) producer_id: Option<String>,
    /// Grows by at least one from batch to batch of the producer; the same when one is sent again.
    #[schema(nullable = false, minimum = 1, example = 4711)]
    pub(super) sequence: Option<u64>,
    /// The events.
    #[schema(min_items = 1, max_items = 10000)]
    pub(super) events: Vec<NewEvent>,
}

/// One event, or a batch of them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
#[expect(
    dead_code,
    reason = "it says in the description what `reading` tells apart by the field `events`"
)]
pub(super) enum NewEvents {
    /// One event.
    One(NewEvent),
    /// A batch.
    Batch(NewBatch),
}

/// Which events to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EventFilter {
    /// From this moment on.
    #[param(value_type = String, format = DateTime, example = "2026-07-01T00:00:00Z")]
    from: Time,
    /// Up to and without this one; at most 31 days later.
    #[param(value_type = String, format = DateTime, example = "2026-07-02T00:00:00Z")]
    to: Time,
    /// Only this event type.
    #[serde(default)]
    #[param(required = false, max_length = 64)]
    event_type: String,
    /// Events a page: 0 or none = 50, at most 500.
    #[serde(default)]
    #[param(required = false, minimum = 0)]
    page_size: i32,
    /// `next_page_token` of the page before.
    #[serde(default)]
    #[param(required = false)]
    page_token: String,
}

impl From<EventFilter> for pb::ListEventsRequest {
    fn from(filter: EventFilter) -> Self {
        Self {
            tenant_id: String::new(),
            range: Some(pb::TimeRange {
                start_time: Some(filter.from.into()),
                end_time: Some(filter.to.into()),
            }),
            event_type: filter.event_type,
            page_size: filter.page_size,
            page_token: filter.page_token,
        }
    }
}

/// An event as it was stored.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Event {
    /// When it happened.
    event_time: Time,
    /// Who did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "user-4711")]
    user_id: Option<String>,
    /// What it was.
    #[schema(example = "page.viewed")]
    event_type: String,
    /// The number.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 12.5)]
    value: Option<f64>,
}

impl TryFrom<pb::Event> for Event {
    type Error = Problem;

    fn try_from(event: pb::Event) -> Result<Self, Problem> {
        Ok(Self {
            event_time: instant(event.event_time)?,
            user_id: text(event.user_id),
            event_type: event.event_type,
            value: finite(event.value),
        })
    }
}

/// A page of events.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventPage {
    /// Newest first.
    events: Vec<Event>,
    /// Leads to the next page; left out on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_page_token: Option<String>,
}

impl TryFrom<pb::ListEventsResponse> for EventPage {
    type Error = Problem;

    fn try_from(page: pb::ListEventsResponse) -> Result<Self, Problem> {
        let events = page.events.into_iter().map(Event::try_from);
        Ok(Self {
            events: events.collect::<Result<_, Problem>>()?,
            next_page_token: text(page.next_page_token),
        })
    }
}
