//! From errors to gRPC: the one place.

use std::time::Duration;

use tonic::{Code, Status};
use tradepost_postgres::DbError;
use tradepost_service::error::Failure;

use super::DOMAIN;
use crate::application::WebhookRefusal;
use crate::domain::RefundRefusal;
use crate::ports::{StoreError, WebhookFault};

/// When a caller may try again after a passing fault.
const RETRY_AFTER: Duration = Duration::from_millis(500);

pub(super) fn render(error: StoreError) -> Status {
    match error {
        StoreError::RequestIdReused => failure(
            Code::InvalidArgument,
            "REQUEST_ID_REUSED",
            "the request_id was used for another request; use a new one",
        ),
        StoreError::PaymentNotFound => return payment_not_found(),
        StoreError::Refund(refusal) => refund(refusal),
        StoreError::Database(error) => database(&error),
    }
    .into()
}

fn refund(refusal: RefundRefusal) -> Failure {
    match refusal {
        RefundRefusal::NotCaptured => failure(
            Code::FailedPrecondition,
            "PAYMENT_NOT_CAPTURED",
            "only captured money can be refunded",
        ),
        RefundRefusal::ExceedsCaptured => failure(
            Code::FailedPrecondition,
            "REFUND_EXCEEDS_CAPTURED",
            "the refund exceeds what was captured and not yet refunded",
        ),
        RefundRefusal::Disputed => failure(
            Code::FailedPrecondition,
            "PAYMENT_DISPUTED",
            "what is to be refunded is disputed at the bank, or was lost there",
        ),
        RefundRefusal::TooMany => failure(
            Code::FailedPrecondition,
            "REFUNDS_TOO_MANY",
            "a payment may have 1,000 refunds, and this one has had them",
        ),
        RefundRefusal::CurrencyMismatch => failure(
            Code::InvalidArgument,
            "CURRENCY_MISMATCH",
            "the refund must be in the payment's currency",
        ),
        RefundRefusal::NotPositive => failure(
            Code::InvalidArgument,
            "INVALID_FIELD",
            "amount must be above zero",
        )
        .field("amount", "must be above zero"),
    }
}

pub(super) fn webhook(error: WebhookRefusal) -> Status {
    match error {
        WebhookRefusal::Fault(WebhookFault::Forged) => failure(
            Code::Unauthenticated,
            "SIGNATURE_INVALID",
            "no signature is of a secret of ours",
        )
        .into(),
        WebhookRefusal::Fault(WebhookFault::Stale) => failure(
            Code::Unauthenticated,
            "SIGNATURE_STALE",
            "the signature's time is too far from now",
        )
        .into(),
        WebhookRefusal::Fault(WebhookFault::Malformed) => webhook_malformed(),
        WebhookRefusal::Store(error) => render(error),
    }
}

pub(super) fn webhook_malformed() -> Status {
    failure(
        Code::InvalidArgument,
        "WEBHOOK_MALFORMED",
        "the payload is not an event of at most 64 KiB",
    )
    .into()
}

pub(super) fn payment_not_found() -> Status {
    failure(
        Code::NotFound,
        "PAYMENT_NOT_FOUND",
        "there is no such payment",
    )
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

fn failure(code: Code, reason: &'static str, message: &'static str) -> Failure {
    Failure::new(code, reason, DOMAIN, message)
}
