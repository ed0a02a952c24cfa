//! A hold on the stock of all lines of one order.

use std::collections::BTreeMap;

use time::{Duration, OffsetDateTime};
use tradepost_types::{OrderId, Quantity, ReservationId, Sku, TenantId};

/// Where a reservation stands. All but `Held` and `Committed` are final.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReservationState {
    /// Its units are held.
    Held {
        /// Until then, by the database's clock.
        expire_at: OffsetDateTime,
    },
    /// Its units are sold.
    Committed,
    /// Its units were given back, or a release came before it.
    Released,
    /// Nobody committed it in time.
    Expired,
    /// It could not be held.
    Rejected(Rejection),
}

impl ReservationState {
    /// The name that tables hold.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Held { .. } => "held",
            Self::Committed => "committed",
            Self::Released => "released",
            Self::Expired => "expired",
            Self::Rejected(_) => "rejected",
        }
    }
}

/// Why nothing is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The most fundamental of the reasons.
    pub reason: RejectReason,
    /// The items that fell short, in SKU order, at most [`Rejection::SHORTFALLS_MAX`].
    pub shortfalls: Vec<Shortfall>,
}

impl Rejection {
    /// How many shortfalls are told.
    pub const SHORTFALLS_MAX: usize = 100;
}

/// Why nothing is held. The order is the precedence: the lowest is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RejectReason {
    /// No item has that SKU.
    UnknownSku,
    /// The item cannot be ordered.
    ItemInactive,
    /// There are too few units.
    OutOfStock,
}

impl RejectReason {
    /// Every reason.
    pub const ALL: [Self; 3] = [Self::UnknownSku, Self::ItemInactive, Self::OutOfStock];

    /// The word that callers and tables see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnknownSku => "UNKNOWN_SKU",
            Self::ItemInactive => "ITEM_INACTIVE",
            Self::OutOfStock => "OUT_OF_STOCK",
        }
    }

    /// The reason of that name, if there is one.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }
}

/// One item that fell short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortfall {
    /// The item.
    pub sku: Sku,
    /// Units wanted.
    pub wanted: i64,
    /// Units that were available.
    pub available: i64,
}

/// Why a commit was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CommitRefusal {
    /// It ran out.
    Expired,
    /// It was released.
    Released,
    /// It was never held.
    Rejected,
    /// Nobody asked for it.
    Unknown,
}

impl CommitRefusal {
    /// The word that callers see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Expired => "EXPIRED",
            Self::Released => "RELEASED",
            Self::Rejected => "REJECTED",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// A reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// Whose.
    pub tenant: TenantId,
    /// Its id, chosen by the order.
    pub id: ReservationId,
    /// The order.
    pub order: OrderId,
    /// Where it stands.
    pub state: ReservationState,
    /// Units by item, in SKU order; lines of one SKU are added up.
    pub items: BTreeMap<Sku, i64>,
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Hold all lines or none.
    Reserve {
        /// The lines of the order; a SKU may occur more than once.
        lines: Vec<(Sku, Quantity)>,
        /// For how long.
        hold: Duration,
    },
    /// Hold for longer, counted from now.
    Extend {
        /// For how long.
        hold: Duration,
    },
    /// The goods are sold.
    Commit,
    /// Give back whatever there is.
    Release,
    /// Time is up.
    Expire,
}

/// An action on one reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub reservation: ReservationId,
    /// For which order.
    pub order: OrderId,
    /// What.
    pub action: Action,
}

/// What the order is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// All items are held.
    Reserved {
        /// Until then.
        expire_at: OffsetDateTime,
    },
    /// Nothing is held, and never will be under this id.
    Rejected(Rejection),
    /// A release came before: nothing is held, and never will be under this id.
    ReleasedBefore,
    /// The units are sold.
    Committed,
    /// It was not held any more.
    CommitRefused(CommitRefusal),
    /// Nothing is held or sold under this id, and never will be.
    Released,
    /// It ran out.
    Expired,
}
