//! What both services say of their streams.

use std::time::Duration;

use tonic::{Code, Status};
use tradepost_service::error::Failure;

use super::DOMAIN;
use crate::application::NoRoom;

/// When a caller may try again after a passing fault.
pub(super) const RETRY_AFTER: Duration = Duration::from_millis(500);

/// There is no place for a further stream.
pub(super) fn no_stream(why: NoRoom) -> Status {
    no_room(
        why,
        "too many streams are open; try again later",
        "too many streams of the tenant are open; try again later",
    )
}

/// There is no place, of all or of the tenant, which is said in these words.
pub(super) fn no_room(why: NoRoom, all: &str, of_tenant: &str) -> Status {
    let (reason, message) = match why {
        NoRoom::All => ("OVERLOADED", all),
        NoRoom::Tenant => ("TENANT_BUSY", of_tenant),
    };
    Failure::new(Code::ResourceExhausted, reason, DOMAIN, message)
        .retry_after(RETRY_AFTER)
        .into()
}

/// A stream may be open for a time only; another may be opened at once.
pub(super) fn stream_expired() -> Status {
    let message = "the stream is as old as it may be; open another";
    Failure::new(Code::Unavailable, "STREAM_EXPIRED", DOMAIN, message)
        .retry_after(Duration::ZERO)
        .into()
}
