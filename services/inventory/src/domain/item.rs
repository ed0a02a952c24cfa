//! An item of the catalogue and the units there are of it.

use time::OffsetDateTime;
use tradepost_types::{Money, MovementId, Sku, TenantId};

/// The most units there can be of one item, and the most one movement can move.
pub const UNITS_MAX: i64 = 1_000_000_000;

/// Which item of which shop. The order of keys is the order of locks.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ItemKey {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub sku: Sku,
}

/// The units of one item: `on_hand >= reserved >= 0` at every moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stock {
    /// Units in the warehouse that are not sold.
    pub on_hand: i64,
    /// Units of those that live reservations hold.
    pub reserved: i64,
}

/// Why stock does not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There would be fewer units than reservations hold.
    BelowReserved,
    /// There would be more than [`UNITS_MAX`].
    Overflow,
}

impl Stock {
    /// What can still be reserved.
    #[must_use]
    pub const fn available(self) -> i64 {
        self.on_hand - self.reserved
    }

    /// The stock after units came or went.
    ///
    /// # Errors
    /// [`Refusal`], and nothing changes.
    pub fn moved_by(self, delta: i64) -> Result<Self, Refusal> {
        let on_hand = self.on_hand.checked_add(delta).ok_or(Refusal::Overflow)?;
        if on_hand < self.reserved {
            return Err(Refusal::BelowReserved);
        }
        if on_hand > UNITS_MAX {
            return Err(Refusal::Overflow);
        }
        Ok(Self { on_hand, ..self })
    }
}

/// An item of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The shop's own name of it.
    pub sku: Sku,
    /// What people read.
    pub name: String,
    /// The list price of one unit.
    pub price: Money,
    /// The weight of one unit.
    pub weight_grams: i64,
    /// Whether it can be ordered.
    pub active: bool,
    /// The units there are.
    pub stock: Stock,
    /// When it was first stored.
    pub created_at: OffsetDateTime,
    /// When the catalogue entry last changed.
    pub updated_at: OffsetDateTime,
}

/// Why a stock level changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MovementKind {
    /// Goods came in.
    Received,
    /// A count corrected the level.
    Adjusted,
    /// Goods were lost or broken.
    WrittenOff,
    /// A reservation was committed.
    Sold,
    /// A committed reservation was released.
    Restocked,
}

impl MovementKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Received,
        Self::Adjusted,
        Self::WrittenOff,
        Self::Sold,
        Self::Restocked,
    ];

    /// The name that tables hold.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Adjusted => "adjusted",
            Self::WrittenOff => "written_off",
            Self::Sold => "sold",
            Self::Restocked => "restocked",
        }
    }

    /// The kind of that name, if there is one.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// One change of the stock of one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// Its id; time-ordered.
    pub id: MovementId,
    /// The item.
    pub sku: Sku,
    /// Why.
    pub kind: MovementKind,
    /// The signed change of `on_hand`.
    pub delta: i64,
    /// `on_hand` after it.
    pub on_hand_after: i64,
    /// What the operator wrote, or the reservation.
    pub reference: String,
    /// When.
    pub created_at: OffsetDateTime,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e11_stock_cannot_go_below_what_is_reserved() {
        let stock = Stock {
            on_hand: 5,
            reserved: 3,
        };

        assert_eq!(
            stock.moved_by(-2),
            Ok(Stock {
                on_hand: 3,
                reserved: 3
            })
        );
        assert_eq!(stock.moved_by(-3), Err(Refusal::BelowReserved));
    }

    #[test]
    fn stock_cannot_grow_beyond_the_limit() {
        let stock = Stock {
            on_hand: UNITS_MAX,
            reserved: 0,
        };

        assert_eq!(stock.moved_by(1), Err(Refusal::Overflow));
        assert_eq!(stock.moved_by(i64::MAX), Err(Refusal::Overflow));
    }

    #[test]
    fn every_kind_is_found_by_its_name() {
        for kind in MovementKind::ALL {
            assert_eq!(MovementKind::parse(kind.name()), Some(kind));
        }
    }
}
