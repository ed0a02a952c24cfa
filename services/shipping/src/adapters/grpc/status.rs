//! From the ports' errors to gRPC: the one place.

use std::time::Duration;

use tonic::{Code, Status};
use tradepost_postgres::DbError;
use tradepost_service::error::Failure;

use super::DOMAIN;
use crate::domain::RateError;
use crate::ports::StoreError;

/// When a caller may try again after a passing fault.
const RETRY_AFTER: Duration = Duration::from_millis(500);

pub(super) fn render(error: StoreError) -> Status {
    match error {
        StoreError::RequestIdReused => failure(
            Code::InvalidArgument,
            "REQUEST_ID_REUSED",
            "the request_id was used for another request; use a new one",
        ),
        StoreError::NotFound => return not_found(),
        StoreError::Illegal { from } => failure(
            Code::FailedPrecondition,
            "ILLEGAL_TRANSITION",
            "the report cannot follow what is known of the parcel",
        )
        .metadata("state", from.name()),
        StoreError::Database(error) => database(&error),
    }
    .into()
}

pub(super) fn rate(error: RateError) -> Status {
    match error {
        RateError::WeightTooLarge => failure(
            Code::FailedPrecondition,
            "WEIGHT_TOO_LARGE",
            "no carrier takes that weight",
        ),
    }
    .into()
}

fn database(error: &DbError) -> Failure {
    match error {
        DbError::SerializationFailure(_) => failure(
            Code::Aborted,
            "REQUEST_IN_PROGRESS",
            "another request is in the way; repeat it",
        )
        .retry_after(RETRY_AFTER),
        DbError::Unavailable(_) | DbError::CommitUnknown(_) => failure(
            Code::Unavailable,
            "DATABASE_UNAVAILABLE",
            "repeat with the same request_id",
        )
        .retry_after(RETRY_AFTER),
        DbError::Constraint { .. } | DbError::Query(_) | DbError::Schema(_) => {
            Failure::internal(error)
        }
    }
}

pub(super) fn not_found() -> Status {
    failure(
        Code::NotFound,
        "SHIPMENT_NOT_FOUND",
        "there is no such shipment",
    )
    .into()
}

fn failure(code: Code, reason: &'static str, message: &'static str) -> Failure {
    Failure::new(code, reason, DOMAIN, message)
}
