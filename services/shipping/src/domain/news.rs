//! What a change leads to: what the order is told, and how a report was judged.

use time::OffsetDateTime;

/// What the order is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// The carrier will fetch it.
    Booked {
        /// Which carrier.
        carrier: String,
        /// Its number for the parcel.
        tracking_number: String,
    },
    /// Nobody takes it, and under this id nobody ever will.
    BookingFailed {
        /// Why.
        reason: String,
    },
    /// The carrier has it.
    HandedOver {
        /// When.
        at: OffsetDateTime,
    },
    /// It arrived.
    Delivered {
        /// When.
        at: OffsetDateTime,
    },
    /// Something went wrong.
    Exception {
        /// What.
        description: String,
    },
    /// It came back.
    Returned,
    /// It is lost.
    Lost,
    /// No parcel goes out, and none ever will.
    Voided,
    /// The carrier has it.
    VoidRefused,
}

/// What a carrier's report does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It moves the parcel, and the order is told this.
    Moved(Vec<News>),
    /// It is older than what is known: noted, and nothing moves.
    Noted,
    /// It was known already.
    Known,
    /// It cannot be.
    Illegal,
}
