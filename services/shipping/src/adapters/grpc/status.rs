//! From the ports' errors to gRPC: the one place.

use std::time::Duration;

use tonic::{Code, Status};
use tradepost_service::error::Failure;

use super::DOMAIN;
use crate::domain::Refusal;
use crate::ports::{CarrierError, StoreError};

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
        StoreError::OrderHasShipment => failure(
            Code::FailedPrecondition,
            "ORDER_HAS_SHIPMENT",
            "another parcel goes out for the order",
        ),
        StoreError::Contended(_) => failure(
            Code::Aborted,
            "REQUEST_IN_PROGRESS",
            "another request is in the way; repeat it",
        )
        .retry_after(RETRY_AFTER),
        StoreError::Unavailable(_) => failure(
            Code::Unavailable,
            "DATABASE_UNAVAILABLE",
            "repeat with the same request_id",
        )
        .retry_after(RETRY_AFTER),
        StoreError::Broken(_) => Failure::internal(&error),
    }
    .into()
}

pub(super) fn carrier(error: CarrierError) -> Status {
    match error {
        CarrierError::Refused(refusal) => refused(refusal),
        CarrierError::Unavailable(_) | CarrierError::Unknown(_) => {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(
                event = "shipping.no_rates",
                error,
                "the carrier gave no rates"
            );
            failure(
                Code::Unavailable,
                "CARRIER_UNAVAILABLE",
                "the carrier does not answer",
            )
            .retry_after(RETRY_AFTER)
        }
    }
    .into()
}

fn refused(refusal: Refusal) -> Failure {
    let message = match refusal {
        Refusal::DestinationNotServed => "no carrier goes there",
        Refusal::WeightTooLarge => "no carrier takes that weight",
        Refusal::ParcelRefused => "the carrier does not take this parcel",
        Refusal::OrderHasShipment => "another parcel goes out for the order",
    };
    failure(Code::FailedPrecondition, refusal.reason(), message)
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
