//! From a body to a batch: JSON exactly or not at all, NDJSON line by line.

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use tradepost_proto::metrics::v1 as pb;
use tradepost_proto::metrics::v1::ingest_events_request::Batch as Form;

use super::body::{EVENTS_MAX, NewBatch, NewEvent};
use super::receipt::Given;
use crate::http::body;
use crate::http::idempotency::{self, IdempotencyKey};
use crate::http::problem::Problem;
use crate::http::router::Gateway;
use crate::http::strict_json::{BYTES_MAX, Misread, Untyped, is_of};

/// More values than any events of a body of [`BYTES_MAX`] have: what has more is none.
const VALUES_MAX: usize = 200_000;
/// As many as an event cannot have.
const LINE_VALUES_MAX: usize = 100;

/// What a request asks to store.
pub(super) struct Batch {
    pub(super) request: pb::IngestEventsRequest,
    pub(super) given: Given,
}

/// What a batch is known by.
struct Name {
    producer_id: String,
    sequence: u64,
    batch_key: String,
}

/// Reads the batch of a request.
///
/// # Errors
/// 413 for too many events or bytes, 415 for another form, 400 for what is not as it must be.
pub(super) async fn read(
    request: Request,
    key: Option<IdempotencyKey>,
    gateway: &Gateway,
) -> Result<Batch, Problem> {
    let by_lines = form(request.headers())?;
    let bytes = body::read(request, BYTES_MAX, gateway).await;
    let bytes = bytes.map_err(|problem| match problem.status {
        StatusCode::PAYLOAD_TOO_LARGE => too_long(),
        _ => problem,
    })?;
    match by_lines {
        true => lines(&bytes, key),
        false => json(&bytes, key),
    }
}

/// Whether events stand on lines.
fn form(headers: &HeaderMap) -> Result<bool, Problem> {
    if is_of(headers, "application/json") {
        return Ok(false);
    }
    if is_of(headers, "application/x-ndjson") {
        return Ok(true);
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "UNSUPPORTED_MEDIA_TYPE",
        "the body must be of Content-Type application/json or application/x-ndjson, in UTF-8 and \
         not compressed",
    ))
}

fn json(bytes: &[u8], key: Option<IdempotencyKey>) -> Result<Batch, Problem> {
    let body = Untyped::read(bytes, VALUES_MAX)?;
    let is_batch = ["events", "producer_id", "sequence"]
        .iter()
        .any(|field| body.has(field));
    if !is_batch {
        let event: NewEvent = body.typed()?;
        return Ok(batch(by_key(key)?, vec![event.into()], Given::default()));
    }
    if body.len_of("events") > Some(EVENTS_MAX) {
        return Err(too_many());
    }
    let given: NewBatch = body.typed()?;
    if given.events.is_empty() {
        return Err(Problem::field("/events", "must have at least one event"));
    }
    let name = name(given.producer_id, given.sequence, key)?;
    let events = given.events.into_iter().map(pb::Event::from).collect();
    Ok(batch(name, events, Given::default()))
}

/// Of lines, only those that are broken are refused; if all are, the body is.
fn lines(bytes: &[u8], key: Option<IdempotencyKey>) -> Result<Batch, Problem> {
    let name = by_key(key)?;
    let mut given = Given::by_lines();
    let mut events = Vec::new();
    let mut first_fault = None;
    for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        if given.count() == EVENTS_MAX {
            return Err(too_many());
        }
        match event(line) {
            Ok(event) => {
                given.read(number);
                events.push(event.into());
            }
            Err(misread) => {
                given.broken(number, &misread);
                first_fault.get_or_insert((number, misread));
            }
        }
    }
    if events.is_empty() {
        return Err(nothing(first_fault));
    }
    Ok(batch(name, events, given))
}

fn event(line: &[u8]) -> Result<NewEvent, Misread> {
    Untyped::read(line, LINE_VALUES_MAX)?.typed()
}

fn batch(name: Name, events: Vec<pb::Event>, given: Given) -> Batch {
    let batch = pb::EventBatch {
        // Empty: the caller's.
        tenant_id: String::new(),
        producer_id: name.producer_id,
        sequence: name.sequence,
        batch_key: name.batch_key,
        events,
    };
    Batch {
        request: pb::IngestEventsRequest {
            batch: Some(Form::Events(batch)),
        },
        given,
    }
}

fn by_key(key: Option<IdempotencyKey>) -> Result<Name, Problem> {
    let IdempotencyKey { key } = key.ok_or_else(idempotency::missing)?;
    Ok(Name {
        producer_id: String::new(),
        sequence: 0,
        batch_key: key,
    })
}

/// A batch has one name: of two, one would be ignored, and the caller could not know which.
fn name(
    producer_id: Option<String>,
    sequence: Option<u64>,
    key: Option<IdempotencyKey>,
) -> Result<Name, Problem> {
    match (producer_id, sequence, key) {
        (None, None, key) => by_key(key),
        (Some(producer_id), Some(sequence), None) => Ok(Name {
            producer_id,
            sequence,
            batch_key: String::new(),
        }),
        (Some(_), Some(_), Some(_)) => Err(idempotency::invalid(
            "must not be given with producer_id and sequence, which name the batch already",
        )),
        (Some(_), None, _) => Err(Problem::field(
            "/sequence",
            "is required with a producer_id",
        )),
        (None, Some(_), _) => Err(Problem::field(
            "/producer_id",
            "is required with a sequence",
        )),
    }
}

fn nothing(fault: Option<(usize, Misread)>) -> Problem {
    let detail = match fault {
        Some((line, Misread::Json(fault) | Misread::Field(fault))) => {
            let place = fault.pointer();
            let fault = format!("{place} {}", fault.detail);
            format!(
                "no line of the body is an event; line {line}: {}",
                fault.trim_start()
            )
        }
        None => "the body has no event".to_owned(),
    };
    Problem::new(StatusCode::BAD_REQUEST, "INVALID_JSON", detail)
        .pointer(String::new(), "must have at least one event")
}

const HINT: &str = "send the events in several requests, each with a key or a sequence of its own";

fn too_many() -> Problem {
    let detail = format!("a request must not have more than {EVENTS_MAX} events: {HINT}");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "BATCH_TOO_LARGE", detail)
}

fn too_long() -> Problem {
    let detail = format!("the body must not have more than {BYTES_MAX} bytes: {HINT}");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE", detail).closing()
}
