//! From the port's errors to gRPC: the one place.

use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tonic::{Code, Status};
use tradepost_postgres::DbError;
use tradepost_service::error::Failure;

use crate::ports::webhooks::HookError;

/// The domain of this service's errors.
pub(super) const DOMAIN: &str = "notification.tradepost";

/// When a caller may try again after a passing fault.
const RETRY_AFTER: Duration = Duration::from_millis(500);

pub(super) fn render(error: HookError) -> Status {
    match error {
        HookError::NoEndpoint => failure(
            Code::NotFound,
            "ENDPOINT_NOT_FOUND",
            "there is no such endpoint",
        ),
        HookError::NoDelivery => failure(
            Code::NotFound,
            "DELIVERY_NOT_FOUND",
            "there is no such delivery",
        ),
        HookError::TooMany => failure(
            Code::ResourceExhausted,
            "TOO_MANY_ENDPOINTS",
            "a tenant has at most 20 endpoints",
        ),
        HookError::Disabled => failure(
            Code::FailedPrecondition,
            "ENDPOINT_DISABLED",
            "the endpoint is disabled; enable it first",
        ),
        HookError::Rotating { until } => rotating(until),
        HookError::RequestIdReused => failure(
            Code::AlreadyExists,
            "REQUEST_ID_REUSED",
            "the request_id was used for another request; use a new one",
        ),
        HookError::Database(error) => database(&error),
    }
    .into()
}

fn rotating(until: OffsetDateTime) -> Failure {
    let until = until.format(&Rfc3339).unwrap_or_default();
    let message = format!(
        "the secret before signs until {until}; rotate after that, or with at_once if a secret is \
         known to somebody else"
    );
    Failure::new(
        Code::FailedPrecondition,
        "ROTATION_UNDER_WAY",
        DOMAIN,
        message,
    )
    .metadata("previous_secret_expire_time", until)
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
        DbError::Constraint { .. } | DbError::Schema(_) | DbError::Query(_) => {
            Failure::internal(error)
        }
    }
}

fn failure(code: Code, reason: &'static str, message: &'static str) -> Failure {
    Failure::new(code, reason, DOMAIN, message)
}
