//! From the store's errors to gRPC: the one place.

use std::time::Duration;

use tonic::{Code, Status};
use tradepost_postgres::DbError;
use tradepost_service::error::Failure;

use super::DOMAIN;
use crate::domain::Refusal;
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
        StoreError::ItemNotFound => return item_not_found(),
        StoreError::CurrencyChanged => failure(
            Code::FailedPrecondition,
            "CURRENCY_CHANGED",
            "the currency of an existing item cannot change; create another SKU",
        ),
        StoreError::Stock(Refusal::BelowReserved) => failure(
            Code::FailedPrecondition,
            "STOCK_BELOW_RESERVED",
            "the stock would fall below what reservations hold",
        ),
        StoreError::Stock(Refusal::Overflow) => failure(
            Code::FailedPrecondition,
            "STOCK_OVERFLOW",
            "the stock would exceed 1,000,000,000 units",
        ),
        StoreError::Database(error) => database(&error),
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

pub(super) fn item_not_found() -> Status {
    failure(Code::NotFound, "ITEM_NOT_FOUND", "there is no such item").into()
}

pub(super) fn reservation_not_found() -> Status {
    failure(
        Code::NotFound,
        "RESERVATION_NOT_FOUND",
        "there is no such reservation",
    )
    .into()
}

fn failure(code: Code, reason: &'static str, message: &'static str) -> Failure {
    Failure::new(code, reason, DOMAIN, message)
}
