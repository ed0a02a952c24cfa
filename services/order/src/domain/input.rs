//! What can happen to an order.

use tradepost_types::{Money, PaymentId, RefundId, ReservationId, ShipmentId};

/// One thing that happened to an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Inventory said something.
    Stock(ReservationId, StockAnswer),
    /// Payment said something.
    Payment(PaymentId, PaymentAnswer),
    /// Payment said something about the refund.
    Refund(RefundId, RefundAnswer),
    /// Payment said something about a dispute at the bank.
    Dispute(PaymentId, DisputeNews),
    /// Shipping said something.
    Shipment(ShipmentId, ShipmentNews),
    /// The customer wants out.
    Cancel {
        /// Why, for people.
        note: String,
        /// Who asked.
        actor: String,
    },
    /// The deadline passed.
    Deadline,
    /// An operator did something.
    Operator {
        /// Who.
        actor: String,
        /// What.
        verb: Verb,
    },
}

/// What inventory says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StockAnswer {
    /// All items are held.
    Reserved,
    /// Nothing is held, and never will be.
    Rejected {
        /// Why.
        reason: String,
        /// What fell short, for people.
        shortfall: String,
    },
    /// The units are sold.
    Committed,
    /// The hold was gone.
    CommitRefused {
        /// Why.
        reason: String,
    },
    /// Nothing is held or sold any more.
    Released,
    /// The hold ran out.
    Expired,
}

/// What payment says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentAnswer {
    /// The money is held.
    Authorized,
    /// Nothing is held, and never will be.
    Declined {
        /// Why.
        reason: String,
    },
    /// The customer has to act.
    ActionRequired,
    /// The provider did not answer.
    OutcomeUnknown,
    /// The provider's amount differs from ours.
    Conflicted,
    /// The money is taken.
    Captured,
    /// The money could not be taken.
    CaptureFailed {
        /// Why.
        reason: String,
    },
    /// Nothing is held or taken, and never will be.
    Voided,
    /// The provider refused the void for good.
    VoidFailed {
        /// Why.
        reason: String,
    },
}

/// What payment says about a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefundAnswer {
    /// The money went back.
    Succeeded {
        /// How much.
        amount: Money,
    },
    /// The provider refused.
    Failed {
        /// Why.
        reason: String,
    },
}

/// What payment says about a dispute. It is noted, and moves nothing by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DisputeNews {
    /// The bank asks, or takes the money back for the time being.
    Begun {
        /// The same for people: what, how much and why.
        text: String,
    },
    /// It is decided.
    Closed {
        /// The same for people.
        text: String,
    },
}

/// What shipping says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShipmentNews {
    /// The carrier will fetch the parcel.
    Booked {
        /// Which carrier.
        carrier: String,
        /// Its tracking number.
        tracking: String,
    },
    /// No carrier takes it.
    BookingFailed {
        /// Why.
        reason: String,
    },
    /// The carrier has it.
    HandedOver,
    /// It arrived.
    Delivered,
    /// Something went wrong on the way.
    Exception {
        /// What the carrier wrote.
        description: String,
    },
    /// It came back.
    Returned,
    /// It is lost.
    Lost,
    /// No parcel goes out, and never will.
    Voided,
    /// The carrier has it and cannot be called off.
    VoidRefused,
}

/// What an operator can do with a stuck order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    /// Try the step again.
    Retry,
    /// Take the step as done by hand.
    Skip {
        /// Why.
        reason: String,
    },
    /// Give the order up.
    Abandon {
        /// Why.
        reason: String,
    },
}
