//! Where the saga of an order stands: enums with their data, and questions about them.

use time::OffsetDateTime;

use super::step::Step;

/// What the outside sees of a [`Phase`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OrderState {
    /// The stock is being reserved.
    Reserving,
    /// The payment is being authorised.
    Authorizing,
    /// The stock is being committed and the parcel booked.
    Confirming,
    /// Stock sold, money held, parcel booked.
    Confirmed,
    /// The carrier has the parcel; the money is being captured.
    Capturing,
    /// The carrier has the parcel and the money is ours.
    Shipped,
    /// The parcel arrived.
    Delivered,
    /// What was done is being undone.
    Cancelling,
    /// Undone at the customer's wish.
    Cancelled,
    /// Undone because it could not be fulfilled.
    Rejected,
    /// The parcel came back; money and stock are being put back.
    Returning,
    /// The parcel came back and the money was refunded.
    Returned,
    /// A person has to look.
    NeedsAttention,
}

impl OrderState {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Reserving,
        Self::Authorizing,
        Self::Confirming,
        Self::Confirmed,
        Self::Capturing,
        Self::Shipped,
        Self::Delivered,
        Self::Cancelling,
        Self::Cancelled,
        Self::Rejected,
        Self::Returning,
        Self::Returned,
        Self::NeedsAttention,
    ];

    /// The stable text of tables and labels.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reserving => "reserving",
            Self::Authorizing => "authorizing",
            Self::Confirming => "confirming",
            Self::Confirmed => "confirmed",
            Self::Capturing => "capturing",
            Self::Shipped => "shipped",
            Self::Delivered => "delivered",
            Self::Cancelling => "cancelling",
            Self::Cancelled => "cancelled",
            Self::Rejected => "rejected",
            Self::Returning => "returning",
            Self::Returned => "returned",
            Self::NeedsAttention => "needs_attention",
        }
    }

    /// Whether it stays for ever.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Delivered | Self::Cancelled | Self::Rejected | Self::Returned => true,
            Self::Reserving
            | Self::Authorizing
            | Self::Confirming
            | Self::Confirmed
            | Self::Capturing
            | Self::Shipped
            | Self::Cancelling
            | Self::Returning
            | Self::NeedsAttention => false,
        }
    }
}

/// The saga of one order: its phase and what was ever asked of others. Every event carries it, so
/// the last event of an order says where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saga {
    /// Where it stands.
    pub phase: Phase,
    /// What was ever asked of the participants.
    pub asked: Asked,
}

/// What was ever asked of the participants: an answer to a question never asked is illegal, and an
/// undo leaves out what was never asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Asked {
    /// How many reservations; the last one counts.
    pub reservations: u32,
    /// Whether the payment was asked for.
    pub payment: bool,
    /// Whether the shipment was asked for.
    pub shipment: bool,
    /// Whether a success that came after the end was voided again.
    pub late_void: bool,
    /// Whether a person was told that the refund failed after it had been reported done.
    pub refund_failed_late: bool,
}

/// The phase of the saga.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Waits for inventory to hold all items.
    Reserving,
    /// Waits for payment to hold the money.
    Authorizing(Authorizing),
    /// Waits for the stock to be committed and the parcel to be booked, both at once.
    Confirming(Confirming),
    /// Waits for the carrier to take the parcel.
    Confirmed,
    /// Waits for the money; the parcel is under way or further.
    Capturing {
        /// How far the parcel is.
        parcel: Parcel,
    },
    /// Waits for the delivery.
    Shipped,
    /// Final.
    Delivered,
    /// Waits for the refund and the restocking.
    Returning {
        /// The money went back.
        refunded: bool,
        /// The goods are back in the stock.
        restocked: bool,
    },
    /// Final.
    Returned,
    /// Undoes what was done.
    Cancelling(Cancelling),
    /// Final.
    Cancelled,
    /// Final.
    Rejected {
        /// Why.
        reason: String,
    },
    /// Waits for an operator.
    NeedsAttention(Attention),
}

/// See [`Phase::Authorizing`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authorizing {
    /// The customer wants out; the answer decides how.
    pub cancel_requested: bool,
    /// The hold on the stock ran out meanwhile; it is reserved again after the answer.
    pub hold_lost: bool,
    /// What is known so far.
    pub wait: PaymentWait,
}

/// What is known of a payment that has no final answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentWait {
    /// Nothing yet.
    Answer,
    /// The provider did not answer; payment asks it until it does.
    Unknown {
        /// Since when.
        since: OffsetDateTime,
    },
    /// The customer has to act.
    Action {
        /// Since when.
        since: OffsetDateTime,
    },
}

/// See [`Phase::Confirming`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confirming {
    /// The way of the stock.
    pub stock: StockStep,
    /// The way of the parcel; its news may come early.
    pub parcel: Parcel,
}

/// How far the stock of an order in confirmation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StockStep {
    /// The hold was lost and is asked for again.
    Reserving,
    /// The hold is being turned into a sale.
    Committing,
    /// Sold.
    Committed,
    /// Gone, and nothing left to hold again.
    Lost,
}

/// How far the parcel is, by the latest news.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Parcel {
    /// Not booked yet.
    Awaited,
    /// The carrier will fetch it.
    Booked,
    /// The carrier has it.
    HandedOver,
    /// It arrived.
    Delivered,
    /// It came back.
    Returned,
    /// It is lost.
    Lost,
}

/// See [`Phase::Cancelling`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancelling {
    /// How it will end.
    pub outcome: Outcome,
    /// What is left to undo.
    pub undo: Undo,
}

/// How an undone order ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// At the customer's wish.
    Cancelled,
    /// It could not be fulfilled.
    Rejected(String),
}

/// The stages of undoing, the parcel first: what the carrier has cannot be undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undo {
    /// Waits for the parcel to be called off.
    Shipment {
        /// Where the stock stood, in case the carrier refuses and the order goes on.
        stock: StockStep,
        /// How far the parcel is by the news so far.
        parcel: Parcel,
    },
    /// Waits for the money to be let go and the stock to be given back, in parallel.
    MoneyAndStock {
        /// Whether the void of the payment is still to be answered.
        payment: bool,
        /// The reservations whose release is still to be answered.
        reservations: Vec<u32>,
    },
}

/// See [`Phase::NeedsAttention`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attention {
    /// What is stuck.
    pub step: Step,
    /// Why.
    pub reason: String,
    /// The phase that goes on once the step is done.
    pub back: Box<Phase>,
}

impl Phase {
    /// What the outside sees of it.
    #[must_use]
    pub const fn state(&self) -> OrderState {
        match self {
            Self::Reserving => OrderState::Reserving,
            Self::Authorizing(_) => OrderState::Authorizing,
            Self::Confirming(_) => OrderState::Confirming,
            Self::Confirmed => OrderState::Confirmed,
            Self::Capturing { .. } => OrderState::Capturing,
            Self::Shipped => OrderState::Shipped,
            Self::Delivered => OrderState::Delivered,
            Self::Returning { .. } => OrderState::Returning,
            Self::Returned => OrderState::Returned,
            Self::Cancelling(_) => OrderState::Cancelling,
            Self::Cancelled => OrderState::Cancelled,
            Self::Rejected { .. } => OrderState::Rejected,
            Self::NeedsAttention(_) => OrderState::NeedsAttention,
        }
    }

    /// Why the order was or will be rejected.
    #[must_use]
    pub fn reject_reason(&self) -> Option<&str> {
        match self {
            Self::Rejected { reason }
            | Self::Cancelling(Cancelling {
                outcome: Outcome::Rejected(reason),
                ..
            }) => Some(reason),
            Self::NeedsAttention(attention) => attention.back.reject_reason(),
            Self::Reserving
            | Self::Authorizing(_)
            | Self::Confirming(_)
            | Self::Confirmed
            | Self::Capturing { .. }
            | Self::Shipped
            | Self::Delivered
            | Self::Returning { .. }
            | Self::Returned
            | Self::Cancelling(_)
            | Self::Cancelled => None,
        }
    }

    /// What is stuck, if anything.
    #[must_use]
    pub const fn attention(&self) -> Option<&Attention> {
        if let Self::NeedsAttention(attention) = self {
            Some(attention)
        } else {
            None
        }
    }
}
