//! What every reading of a request needs.

use prost::Message;
use time::OffsetDateTime;
use tonic::Status;
use tradepost_service::error::Violations;
use tradepost_service::request_id;
use uuid::Uuid;

use super::status::DOMAIN;
use crate::ports::RequestKey;

/// A place in a list that is in order of time and id, as a page token holds it: microseconds, which
/// is what the database keeps, and the id.
pub(super) type Place = (i64, Uuid);

/// The place of what was made then.
pub(super) fn place(made_at: OffsetDateTime, id: Uuid) -> Place {
    let micros = made_at.unix_timestamp_nanos() / 1_000;
    (i64::try_from(micros).unwrap_or(i64::MAX), id)
}

/// When what is at that place was made.
pub(super) fn made_at((micros, _): Place) -> Result<OffsetDateTime, Status> {
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000);
    let mut faults = Violations::new();
    let at = faults.take("page_token", at.map_err(|_range| "is malformed"));
    finish(faults, at)
}

/// By what a repetition of the request is known; `body` is the request without its id.
pub(super) fn key(id: &str, body: &impl Message) -> RequestKey {
    RequestKey {
        id: id.to_owned(),
        fingerprint: request_id::fingerprint(&body.encode_to_vec()),
    }
}

/// The value, or all faults. A value is missing only with a fault.
pub(super) fn finish<T>(faults: Violations, value: Option<T>) -> Result<T, Status> {
    faults.check(DOMAIN)?;
    value.ok_or_else(|| Status::internal("a value without a fault is missing"))
}
