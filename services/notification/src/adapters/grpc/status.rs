//! From the use cases' errors to answers: one exhaustive match each.

use std::time::Duration;

use tonic::{Code, Status};
use tradepost_postgres::DbError;
use tradepost_service::error::{Failure, PLATFORM_DOMAIN, Violations};

use crate::application::{NotJoined, NotMarked, NotTold};
use crate::ports::StoreError;

/// The domain of this service's reasons.
pub(super) const DOMAIN: &str = "notification.tradepost";

const RETRY_SOON: Duration = Duration::from_millis(200);
const RETRY_LATER: Duration = Duration::from_secs(1);

pub(super) fn store(error: &StoreError) -> Status {
    let StoreError::Database(database) = error;
    match database {
        DbError::Unavailable(_) if database.is_overload() => {
            let message = "more is asked of the store than it can do; try again later";
            Failure::new(Code::ResourceExhausted, "OVERLOADED", DOMAIN, message)
                .retry_after(RETRY_LATER)
        }
        DbError::Unavailable(_) | DbError::CommitUnknown(_) => {
            let cause: &dyn std::error::Error = error;
            tracing::warn!(
                event = "notification.store_unavailable",
                error = cause,
                "a call failed"
            );
            let message = "the store is unavailable; send the same again";
            Failure::new(Code::Unavailable, "STORE_UNAVAILABLE", DOMAIN, message)
                .retry_after(RETRY_LATER)
        }
        DbError::SerializationFailure(_) => {
            let message = "another call about the same users or groups runs; send the same again";
            Failure::new(Code::Aborted, "REQUEST_IN_PROGRESS", DOMAIN, message)
                .retry_after(RETRY_SOON)
        }
        DbError::Constraint { .. } | DbError::Query(_) | DbError::Schema(_) => {
            Failure::internal(error)
        }
    }
    .into()
}

pub(super) fn not_told(why: &NotTold) -> Status {
    match why {
        NotTold::Reused => {
            let fault = "was used for another request";
            let message = format!("the request_id {fault}; use a new one for a new intent");
            Failure::new(Code::AlreadyExists, "REQUEST_ID_REUSED", DOMAIN, message)
                .field("request_id", fault)
                .into()
        }
        NotTold::NoGroup => no_group(),
        NotTold::Store(error) => store(error),
    }
}

pub(super) fn not_joined(why: &NotJoined) -> Status {
    match why {
        NotJoined::NoGroup => no_group(),
        NotJoined::TooMany(user) => {
            let message = "a user is in 100 groups; nobody has joined";
            Failure::new(Code::ResourceExhausted, "TOO_MANY_GROUPS", DOMAIN, message)
                .metadata("user_id", user.as_str())
                .into()
        }
        NotJoined::Store(error) => store(error),
    }
}

pub(super) fn not_marked(why: &NotMarked) -> Status {
    match why {
        NotMarked::NoStream(stream) => {
            let message = "the user is not in that group; no cursor was moved";
            Failure::new(Code::NotFound, "STREAM_NOT_FOUND", DOMAIN, message)
                .metadata("stream", stream)
                .into()
        }
        NotMarked::Store(error) => store(error),
    }
}

pub(super) fn no_group() -> Status {
    let message = "there is no such group";
    Failure::new(Code::NotFound, "GROUP_NOT_FOUND", DOMAIN, message).into()
}

pub(super) fn too_many_groups() -> Status {
    let message = "the tenant has 10,000 groups";
    Failure::new(Code::ResourceExhausted, "TOO_MANY_GROUPS", DOMAIN, message).into()
}

pub(super) fn user_forbidden() -> Status {
    let message = "what is another user's takes more rights than the caller has";
    Failure::new(Code::PermissionDenied, "USER_FORBIDDEN", DOMAIN, message).into()
}

pub(super) fn too_many_streams() -> Status {
    let message = "this node has 64 streams of sends; try again later";
    Failure::new(Code::ResourceExhausted, "TOO_MANY_STREAMS", DOMAIN, message)
        .retry_after(RETRY_LATER)
        .into()
}

pub(super) fn stream_expired() -> Status {
    let message = "the stream is as old as it may be; open another";
    Failure::new(Code::Unavailable, "STREAM_EXPIRED", DOMAIN, message)
        .retry_after(Duration::ZERO)
        .into()
}

pub(super) fn going() -> Status {
    let message = "the process is shutting down; send the rest to another";
    Failure::new(Code::Unavailable, "SHUTTING_DOWN", PLATFORM_DOMAIN, message)
        .retry_after(RETRY_SOON)
        .into()
}

pub(super) fn nothing_sent() -> Status {
    let mut faults = Violations::new();
    faults.add("send", "is required");
    faults.into_failure(DOMAIN).into()
}

/// The panic hook has said what and where.
pub(super) fn broken() -> Status {
    let message = "internal error";
    Failure::new(Code::Internal, "INTERNAL", PLATFORM_DOMAIN, message).into()
}
