//! Which routing key each message travels under: the one table both ends read.
//!
//! Commands go to the direct exchange `tradepost.commands`, events to the topic exchange
//! `tradepost.events`. A *reply* is an event that a saga waits for: it must reach a queue. A *fact*
//! may have no subscriber.

use crate::{inventory, order, payment, shipping};

/// A command: exactly one service handles it.
pub trait Command: prost::Name {
    /// The service that handles it, e.g. `inventory`.
    const SERVICE: &'static str;
    /// What it does, e.g. `reserve`.
    const NAME: &'static str;
}

/// An event: whoever binds its key hears of it.
pub trait Event: prost::Name {
    /// The routing key, e.g. `inventory.reserved`.
    const KEY: &'static str;
    /// Whether a saga waits for it, so that an unroutable one must be sent again.
    const REPLY: bool;
}

macro_rules! commands {
    ($($service:ident: $($message:ident => $name:literal),+;)+) => {
        $($(impl Command for $service::command::v1::$message {
            const SERVICE: &'static str = stringify!($service);
            const NAME: &'static str = $name;
        })+)+

        /// Every command: the service that handles it and its name.
        pub const COMMANDS: &[(&str, &str)] = &[$($((stringify!($service), $name)),+),+];
    };
}

macro_rules! events {
    ($($service:ident, reply = $reply:literal: $($message:ident => $name:literal),+;)+) => {
        $($(impl Event for $service::event::v1::$message {
            const KEY: &'static str = concat!(stringify!($service), ".", $name);
            const REPLY: bool = $reply;
        })+)+

        /// The routing key of every event.
        pub const EVENTS: &[&str] = &[$($(concat!(stringify!($service), ".", $name)),+),+];
    };
}

commands! {
    inventory:
        ReserveStock => "reserve",
        ExtendReservation => "extend",
        CommitReservation => "commit",
        ReleaseReservation => "release";
    payment:
        AuthorizePayment => "authorize",
        CapturePayment => "capture",
        VoidPayment => "void",
        RefundPayment => "refund";
    shipping:
        BookShipment => "book",
        VoidShipment => "void";
}

events! {
    inventory, reply = true:
        StockReserved => "reserved",
        ReservationRejected => "rejected",
        ReservationCommitted => "committed",
        ReservationCommitRefused => "commit_refused",
        ReservationReleased => "released",
        ReservationExpired => "expired";
    payment, reply = true:
        PaymentAuthorized => "authorized",
        PaymentDeclined => "declined",
        PaymentActionRequired => "action_required",
        PaymentOutcomeUnknown => "outcome_unknown",
        PaymentConflicted => "conflicted",
        PaymentCaptured => "captured",
        PaymentCaptureFailed => "capture_failed",
        PaymentVoided => "voided",
        PaymentVoidFailed => "void_failed",
        RefundSucceeded => "refund_succeeded",
        RefundFailed => "refund_failed";
    payment, reply = false:
        PaymentDisputed => "disputed",
        PaymentDisputeClosed => "dispute_closed";
    shipping, reply = true:
        ShipmentBooked => "booked",
        ShipmentBookingFailed => "booking_failed",
        ShipmentHandedOver => "handed_over",
        ShipmentDelivered => "delivered",
        ShipmentExceptionRaised => "exception",
        ShipmentReturned => "returned",
        ShipmentLost => "lost",
        ShipmentVoided => "voided",
        ShipmentVoidRefused => "void_refused";
    order, reply = false:
        OrderPlaced => "placed",
        OrderConfirmed => "confirmed",
        OrderRejected => "rejected",
        OrderCancelled => "cancelled",
        OrderShipped => "shipped",
        OrderDelivered => "delivered",
        OrderReturned => "returned",
        OrderRefunded => "refunded",
        OrderNeedsAttention => "needs_attention";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_messages_share_a_routing_key() {
        let commands: HashSet<_> = COMMANDS.iter().collect();
        let events: HashSet<_> = EVENTS.iter().collect();

        assert_eq!(commands.len(), COMMANDS.len());
        assert_eq!(events.len(), EVENTS.len());
    }
}
