//! From the use cases' errors to answers: one exhaustive match each.

use std::time::Duration;

use tonic::{Code, Status};
use tradepost_service::error::Failure;
use tradepost_types::{OrderId, Sku};

use crate::application::{PlaceError, WatchError};
use crate::domain::PlaceFault;
use crate::domain::saga::Refusal;
use crate::ports::{StoreError, WishError};

/// The domain of this service's reasons.
pub(super) const DOMAIN: &str = "order.tradepost";

const RETRY_SOON: Duration = Duration::from_millis(200);
const RETRY_LATER: Duration = Duration::from_secs(1);

pub(super) fn not_found(id: OrderId) -> Status {
    Failure::new(
        Code::NotFound,
        "ORDER_NOT_FOUND",
        DOMAIN,
        "there is no such order",
    )
    .metadata("order_id", id)
    .into()
}

pub(super) fn foreign_customer() -> Status {
    let message = "a customer orders in their own name only";
    let code = Code::PermissionDenied;
    Failure::new(code, "CUSTOMER_REF_FOREIGN", DOMAIN, message).into()
}

pub(super) fn request_id_reused() -> Status {
    let message = "the request_id was used for another request; use a new one for a new intent";
    Failure::new(Code::InvalidArgument, "REQUEST_ID_REUSED", DOMAIN, message)
        .field("request_id", "was used for another request")
        .into()
}

pub(super) fn store(error: StoreError) -> Status {
    match error {
        StoreError::Unavailable(error) if error.is_overload() => {
            let message = "more is asked of the order store than it can do; try again later";
            Failure::new(Code::ResourceExhausted, "OVERLOADED", DOMAIN, message)
                .retry_after(RETRY_LATER)
                .into()
        }
        StoreError::Unavailable(_) => {
            let cause: &dyn std::error::Error = &error;
            tracing::warn!(
                event = "order.store_unavailable",
                error = cause,
                "a call failed"
            );
            let message = "the order store is unavailable";
            Failure::new(Code::Unavailable, "STORE_UNAVAILABLE", DOMAIN, message)
                .retry_after(RETRY_LATER)
                .into()
        }
        StoreError::Contended(_) => {
            let message = "another call with the same request_id or about the same order runs";
            Failure::new(Code::Aborted, "REQUEST_IN_PROGRESS", DOMAIN, message)
                .retry_after(RETRY_SOON)
                .into()
        }
        StoreError::Faulty(_) => Failure::internal(&error).into(),
    }
}

pub(super) fn place(error: PlaceError) -> Status {
    match error {
        PlaceError::Fault(fault) => place_fault(fault).into(),
        PlaceError::Catalogue(unavailable) => {
            let cause: &dyn std::error::Error = &unavailable;
            tracing::warn!(
                event = "order.inventory_unavailable",
                error = cause,
                "no prices, no orders"
            );
            let message = "prices cannot be had now";
            Failure::new(Code::Unavailable, "INVENTORY_UNAVAILABLE", DOMAIN, message)
                .retry_after(RETRY_LATER)
                .into()
        }
        PlaceError::Store(error) => store(error),
    }
}

fn place_fault(fault: PlaceFault) -> Failure {
    let message = told(&fault);
    let refuse = |reason| Failure::new(Code::InvalidArgument, reason, DOMAIN, message.clone());
    match fault {
        PlaceFault::UnknownSku { lines } => name_lines(refuse("UNKNOWN_SKU"), lines, "is unknown"),
        PlaceFault::ItemInactive { lines } => {
            name_lines(refuse("ITEM_INACTIVE"), lines, "cannot be ordered now")
        }
        PlaceFault::CurrencyMismatch { lines } => name_lines(
            refuse("CURRENCY_MISMATCH"),
            lines,
            "has a price in another currency than the order",
        ),
        PlaceFault::TotalTooLarge => refuse("TOTAL_TOO_LARGE"),
    }
}

/// The fault, and how many lines it hits: the answer may not name them all.
fn told(fault: &PlaceFault) -> String {
    match fault {
        PlaceFault::UnknownSku { lines }
        | PlaceFault::ItemInactive { lines }
        | PlaceFault::CurrencyMismatch { lines }
            if lines.len() > 1 =>
        {
            format!("{fault}; so it is with {} lines", lines.len())
        }
        PlaceFault::UnknownSku { .. }
        | PlaceFault::ItemInactive { .. }
        | PlaceFault::CurrencyMismatch { .. }
        | PlaceFault::TotalTooLarge => fault.to_string(),
    }
}

fn name_lines(failure: Failure, lines: Vec<(usize, Sku)>, text: &str) -> Failure {
    let failure = match lines.first() {
        Some((_, sku)) => failure.metadata("sku", sku),
        None => failure,
    };
    lines.into_iter().fold(failure, |failure, (index, _)| {
        failure.field(format!("lines[{index}].sku"), text)
    })
}

pub(super) fn wish(error: WishError, id: OrderId) -> Status {
    match error {
        WishError::NotFound => not_found(id),
        WishError::Mismatch => request_id_reused(),
        WishError::Refused(refusal) => refused(refusal, id),
        WishError::UnknownVersion => {
            let message = "a newer server drives this order";
            Failure::new(Code::Unavailable, "SAGA_VERSION_UNKNOWN", DOMAIN, message)
                .retry_after(RETRY_LATER)
                .into()
        }
        WishError::Store(error) => store(error),
    }
}

fn refused(refusal: Refusal, id: OrderId) -> Status {
    let reason = match refusal {
        Refusal::AlreadyShipped => "ORDER_ALREADY_SHIPPED",
        Refusal::NotCancellable => "ORDER_NOT_CANCELLABLE",
        Refusal::NotStuck => "ORDER_NOT_STUCK",
        Refusal::NotSkippable => "STEP_NOT_SKIPPABLE",
        // Only answers can be illegal, and they do not come this way; a fault of ours.
        Refusal::Illegal => return Failure::internal(&refusal).into(),
    };
    let text = refusal.to_string();
    Failure::new(Code::FailedPrecondition, reason, DOMAIN, text.clone())
        .metadata("order_id", id)
        .precondition("ORDER_STATE", id.to_string(), text)
        .into()
}

pub(super) fn watch(error: WatchError, id: OrderId) -> Status {
    match error {
        WatchError::NotFound => not_found(id),
        WatchError::Full => {
            let message = "too many orders are watched on this server";
            Failure::new(
                Code::ResourceExhausted,
                "TOO_MANY_WATCHERS",
                DOMAIN,
                message,
            )
            .retry_after(RETRY_LATER)
            .into()
        }
        WatchError::Store(error) => store(error),
    }
}
