//! The history of an order: append-only, gap-free, enough to rebuild the stored row.

use time::OffsetDateTime;
use tradepost_types::{OrderId, TenantId};

use super::order::{Details, Order, Timer};
use super::phase::Saga;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident => $name:literal),+ $(,)?) => {
        /// What happened.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum EventKind { $($(#[$doc])* $kind),+ }

        impl EventKind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$kind),+];

            /// The stable text of tables and timelines.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name),+ }
            }
        }
    };
}

kinds! {
    /// The order was accepted.
    Placed => "placed",
    /// All items are held.
    StockReserved => "stock_reserved",
    /// The items cannot be held.
    StockRejected => "stock_rejected",
    /// The hold ran out.
    HoldExpired => "hold_expired",
    /// The units are sold.
    StockCommitted => "stock_committed",
    /// The hold was gone at the sale.
    CommitRefused => "commit_refused",
    /// Units were given back.
    StockReleased => "stock_released",
    /// The money is held.
    PaymentAuthorized => "payment_authorized",
    /// The card was declined.
    PaymentDeclined => "payment_declined",
    /// The customer has to act.
    PaymentActionRequired => "payment_action_required",
    /// The provider did not answer.
    PaymentOutcomeUnknown => "payment_outcome_unknown",
    /// The provider's amount differs.
    PaymentConflicted => "payment_conflicted",
    /// The money is taken.
    PaymentCaptured => "payment_captured",
    /// The money could not be taken.
    CaptureFailed => "capture_failed",
    /// Nothing is held or taken.
    PaymentVoided => "payment_voided",
    /// The void was refused.
    VoidFailed => "void_failed",
    /// A success after the end was voided.
    LatePaymentVoided => "late_payment_voided",
    /// The parcel is booked.
    ShipmentBooked => "shipment_booked",
    /// No carrier takes the parcel.
    BookingFailed => "booking_failed",
    /// The carrier has the parcel.
    HandedOver => "handed_over",
    /// The parcel arrived.
    Delivered => "delivered",
    /// The carrier reported trouble.
    ShipmentException => "shipment_exception",
    /// The parcel came back.
    ShipmentReturned => "shipment_returned",
    /// The parcel is lost.
    ShipmentLost => "shipment_lost",
    /// The parcel was called off.
    ShipmentVoided => "shipment_voided",
    /// The parcel could not be called off.
    ShipmentVoidRefused => "shipment_void_refused",
    /// The money went back.
    Refunded => "refunded",
    /// The refund was refused.
    RefundFailed => "refund_failed",
    /// The customer objects at the bank, or the bank asks.
    PaymentDisputed => "payment_disputed",
    /// That is decided.
    DisputeClosed => "dispute_closed",
    /// Stock sold, money held, parcel booked.
    Confirmed => "confirmed",
    /// The customer wants out.
    CancelRequested => "cancel_requested",
    /// Everything was undone at the customer's wish.
    Cancelled => "cancelled",
    /// Everything was undone because it could not be fulfilled.
    Rejected => "rejected",
    /// The goods are back and the money too.
    Returned => "returned",
    /// A step took too long.
    TimedOut => "timed_out",
    /// A person has to look.
    AttentionNeeded => "attention_needed",
    /// An operator tried the step again.
    StepRetried => "step_retried",
    /// An operator took the step as done.
    StepSkipped => "step_skipped",
    /// An operator gave the order up.
    Abandoned => "abandoned",
}

/// One thing that happened, with the saga after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What.
    pub kind: EventKind,
    /// The same for people.
    pub description: String,
    /// Where the saga stood after it.
    pub saga: Saga,
}

/// An event as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The order's version after it.
    pub version: i64,
    /// What happened.
    pub event: Event,
    /// What was agreed; the first event has it.
    pub placed: Option<(Details, i32)>,
    /// The message, request or timer behind it.
    pub cause: String,
    /// The trace it happened in.
    pub trace_id: String,
    /// When.
    pub at: OffsetDateTime,
}

/// Why a history is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RebuildError {
    /// It has no events.
    #[error("the history is empty")]
    Empty,
    /// The first event is not the acceptance.
    #[error("the history does not start with the acceptance")]
    NotPlaced,
    /// A version is missing or repeated.
    #[error("version {found} stands where {wanted} should")]
    Gap {
        /// The version that should be there.
        wanted: i64,
        /// The one that is.
        found: i64,
    },
}

/// Rebuilds an order from its history. The timer is no part of it.
///
/// # Errors
/// When the events are not a whole history in order.
pub fn rebuild(tenant: TenantId, id: OrderId, events: &[Recorded]) -> Result<Order, RebuildError> {
    let (first, rest) = events.split_first().ok_or(RebuildError::Empty)?;
    let (details, saga_version) = first.placed.clone().ok_or(RebuildError::NotPlaced)?;
    let start = Order {
        tenant,
        id,
        details,
        saga_version,
        saga: first.event.saga.clone(),
        version: 1,
        created_at: first.at,
        updated_at: first.at,
        timer: Timer::default(),
    };
    if first.version != 1 {
        return Err(RebuildError::Gap {
            wanted: 1,
            found: first.version,
        });
    }
    rest.iter().try_fold(start, |mut order, recorded| {
        let wanted = order.version + 1;
        if recorded.version != wanted {
            return Err(RebuildError::Gap {
                wanted,
                found: recorded.version,
            });
        }
        order.version = wanted;
        order.saga.clone_from(&recorded.event.saga);
        order.updated_at = recorded.at;
        Ok(order)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Address, NewOrder};
    use tradepost_types::{Currency, Money};

    fn recorded(version: i64, placed: bool) -> Recorded {
        let details = Details {
            customer_ref: "c".into(),
            total: Money::new(1, Currency::GBP),
            weight_grams: 0,
            line_count: 1,
            unit_count: 1,
            payment_method: "pm".into(),
            address: Address::default(),
            traceparent: None,
        };
        Recorded {
            version,
            event: Event {
                kind: EventKind::Placed,
                description: String::new(),
                saga: NewOrder::first_saga(),
            },
            placed: placed.then_some((details, 1)),
            cause: String::new(),
            trace_id: String::new(),
            at: OffsetDateTime::UNIX_EPOCH,
        }
    }

    fn rebuilt(events: &[Recorded]) -> Result<i64, RebuildError> {
        rebuild(TenantId::new(), OrderId::new(), events).map(|order| order.version)
    }

    #[test]
    fn a_whole_history_is_rebuilt_and_a_torn_one_is_refused() {
        let first = recorded(1, true);

        assert_eq!(rebuilt(&[first.clone(), recorded(2, false)]), Ok(2));
        assert_eq!(rebuilt(&[]), Err(RebuildError::Empty));
        assert_eq!(rebuilt(&[recorded(1, false)]), Err(RebuildError::NotPlaced));
        assert_eq!(
            rebuilt(&[first, recorded(3, false)]),
            Err(RebuildError::Gap {
                wanted: 2,
                found: 3
            })
        );
        assert_eq!(
            rebuilt(&[recorded(2, true)]),
            Err(RebuildError::Gap {
                wanted: 1,
                found: 2
            })
        );
    }

    #[test]
    fn no_two_kinds_share_a_name() {
        let names: std::collections::HashSet<_> =
            EventKind::ALL.iter().map(|kind| kind.name()).collect();

        assert_eq!(names.len(), EventKind::ALL.len());
    }
}
