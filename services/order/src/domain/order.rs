//! The aggregate: an order, what never changes about it, and where its saga stands.

use time::OffsetDateTime;
use tradepost_types::{
    Money, OrderId, PaymentId, Quantity, RefundId, ReservationId, ShipmentId, Sku, TenantId,
};

use super::phase::{Phase, Saga};

/// An order without its lines, which no decision needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its id.
    pub id: OrderId,
    /// What was agreed at acceptance; it never changes.
    pub details: Details,
    /// The definition of the saga that drives it, fixed at acceptance.
    pub saga_version: i32,
    /// Where it stands.
    pub saga: Saga,
    /// Grows by one with every event.
    pub version: i64,
    /// When it was accepted, by the database's clock.
    pub created_at: OffsetDateTime,
    /// When its last event happened.
    pub updated_at: OffsetDateTime,
    /// What happens if nothing comes. No part of the history: the fold of the events ignores it.
    pub timer: Timer,
}

/// What was agreed at acceptance, apart from the lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details {
    /// The shop's own reference of the customer.
    pub customer_ref: String,
    /// The sum of the lines.
    pub total: Money,
    /// The weight of all units together.
    pub weight_grams: i64,
    /// How many lines.
    pub line_count: i32,
    /// How many units.
    pub unit_count: i64,
    /// The card provider's token.
    pub payment_method: String,
    /// Where the goods go.
    pub address: Address,
    /// The trace in which it was placed; timers continue it.
    pub traceparent: Option<String>,
}

/// One line with its price at acceptance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The item.
    pub sku: Sku,
    /// Its name at acceptance.
    pub name: String,
    /// Units.
    pub quantity: Quantity,
    /// The price of one unit.
    pub unit_price: Money,
    /// Whether the caller gave the price.
    pub agreed_price: bool,
}

/// A postal address. Personal: it is never logged.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Address {
    /// Who receives it.
    pub recipient: String,
    /// Street, house number, flat.
    pub lines: Vec<String>,
    /// Town.
    pub city: String,
    /// State, county or province.
    pub region: String,
    /// Postal code.
    pub postal_code: String,
    /// ISO 3166-1 alpha-2.
    pub country_code: String,
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Address").finish_non_exhaustive()
    }
}

/// When the order is looked at again, and how often its step was tried before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timer {
    /// When; `None` waits without limit.
    pub at: Option<OffsetDateTime>,
    /// Tries after the first one.
    pub attempts: u32,
}

impl Order {
    /// Whether the state stays for ever.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        self.saga.phase.state().is_final()
    }

    /// The reservation with that number, from 1.
    #[must_use]
    pub fn reservation(&self, number: u32) -> ReservationId {
        ReservationId::derive(self.id.as_uuid(), &format!("reservation/{number}"))
    }

    /// The reservation that counts now.
    #[must_use]
    pub fn current_reservation(&self) -> ReservationId {
        self.reservation(self.saga.asked.reservations)
    }

    /// Which of the reservations ever asked for this is.
    #[must_use]
    pub fn reservation_number(&self, id: ReservationId) -> Option<u32> {
        (1..=self.saga.asked.reservations)
            .rev()
            .find(|&number| self.reservation(number) == id)
    }

    /// The payment.
    #[must_use]
    pub fn payment(&self) -> PaymentId {
        PaymentId::derive(self.id.as_uuid(), "payment/1")
    }

    /// The shipment.
    #[must_use]
    pub fn shipment(&self) -> ShipmentId {
        ShipmentId::derive(self.id.as_uuid(), "shipment/1")
    }

    /// The refund of the whole payment.
    #[must_use]
    pub fn refund(&self) -> RefundId {
        RefundId::derive(self.id.as_uuid(), "refund/1")
    }

    /// Why it was or will be rejected.
    #[must_use]
    pub fn reject_reason(&self) -> Option<&str> {
        self.saga.phase.reject_reason()
    }

    /// A free order takes the way around the payment service.
    #[must_use]
    pub const fn needs_payment(&self) -> bool {
        self.details.total.is_positive()
    }

    pub(super) fn in_phase(&self, phase: Phase) -> Self {
        let mut order = self.clone();
        order.saga.phase = phase;
        order
    }
}
