//! Orders as the others see them.

use sqlx::FromRow;
use tradepost_types::{OrderId, PaymentId, ReservationId, ShipmentId, TenantId};
use uuid::Uuid;

use super::{OrderKey, states};
use crate::audit::CannotAudit;

states! {
    /// Where an order stands.
    OrderState of "an order" {
        Reserving = "reserving",
        Authorizing = "authorizing",
        Confirming = "confirming",
        Confirmed = "confirmed",
        Capturing = "capturing",
        Shipped = "shipped",
        Delivered = "delivered",
        Cancelling = "cancelling",
        Cancelled = "cancelled",
        Rejected = "rejected",
        Returning = "returning",
        Returned = "returned",
        NeedsAttention = "needs_attention",
    }
}

/// What an order's place in its life asks of the rest of the system, once nothing moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// On its way, or waiting for a person: nothing is certain yet.
    Open,
    /// Sold, paid for by a hold, packed.
    Confirmed,
    /// With the carrier, and paid.
    Shipped,
    /// With the customer, and paid.
    Delivered,
    /// Back in the house, and the money back with the customer.
    Returned,
    /// As if it had never been.
    Undone,
}

/// An order.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) tenant: TenantId,
    pub(crate) id: OrderId,
    pub(crate) state: OrderState,
    pub(crate) currency: String,
    pub(crate) total: i64,
    /// How many reservations it asked for; the last one counts.
    pub(crate) reservations: u32,
    pub(crate) asked_payment: bool,
    pub(crate) asked_shipment: bool,
    /// An operator took a step as done or gave it up: what the others have is his word, not theirs.
    pub(crate) by_hand: bool,
    /// A digest of the units by SKU.
    pub(crate) wanted: Option<String>,
}

/// A message and the order it moved.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct Cause {
    pub(crate) tenant_id: Uuid,
    pub(crate) order_id: Uuid,
    pub(crate) version: i64,
    pub(crate) cause: String,
}

pub(super) const QUERY: &str = r#"
with wanted as (
    select tenant_id, order_id,
           md5(string_agg(sku || E'\t' || units, E'\n' order by sku collate "C")) as digest
    from (select tenant_id, order_id, sku, sum(quantity) as units
          from order_lines group by tenant_id, order_id, sku) as items
    group by tenant_id, order_id),
by_hand as (
    select distinct tenant_id, order_id from order_events
    where type in ('step_skipped', 'abandoned'))
select o.tenant_id, o.order_id, o.state, o.currency, o.total_minor,
       coalesce((o.saga #>> '{asked,reservations}')::int, 0) as reservations,
       coalesce((o.saga #>> '{asked,payment}')::bool, false) as asked_payment,
       coalesce((o.saga #>> '{asked,shipment}')::bool, false) as asked_shipment,
       by_hand.order_id is not null as by_hand,
       wanted.digest as wanted
from orders o
left join wanted on wanted.tenant_id = o.tenant_id and wanted.order_id = o.order_id
left join by_hand on by_hand.tenant_id = o.tenant_id and by_hand.order_id = o.order_id"#;

/// Histories that began after the oldest mark that is still kept.
pub(super) const CAUSES: &str = r"
select e.tenant_id, e.order_id, min(e.version) as version, e.cause
from order_events e
where e.cause like 'message\_%'
  and e.created_at > coalesce((select min(handled_at) from messaging.inbox
                               where consumer = 'order.replies'),
                              now() - interval '1 day')
group by e.tenant_id, e.order_id, e.cause";

pub(super) const HANDLED: &str =
    "select message_id from messaging.inbox where consumer = 'order.replies'";

/// A row of [`QUERY`].
#[derive(FromRow)]
pub(super) struct Row {
    tenant_id: Uuid,
    order_id: Uuid,
    state: String,
    currency: String,
    total_minor: i64,
    reservations: i32,
    asked_payment: bool,
    asked_shipment: bool,
    by_hand: bool,
    wanted: Option<String>,
}

impl Order {
    pub(super) fn from_row(row: Row) -> Result<(OrderKey, Self), CannotAudit> {
        let order = Self {
            tenant: TenantId::from_uuid(row.tenant_id),
            id: OrderId::from_uuid(row.order_id),
            state: OrderState::parse(&row.state)?,
            currency: row.currency,
            total: row.total_minor,
            reservations: row.reservations.unsigned_abs(),
            asked_payment: row.asked_payment,
            asked_shipment: row.asked_shipment,
            by_hand: row.by_hand,
            wanted: row.wanted,
        };
        Ok((order.key(), order))
    }

    pub(crate) const fn key(&self) -> OrderKey {
        (self.tenant, self.id)
    }

    /// The ids of what an order asks for follow from its own.
    pub(crate) fn reservation(&self, number: u32) -> ReservationId {
        ReservationId::derive(self.id.as_uuid(), &format!("reservation/{number}"))
    }

    pub(crate) fn payment(&self) -> PaymentId {
        PaymentId::derive(self.id.as_uuid(), "payment/1")
    }

    pub(crate) fn shipment(&self) -> ShipmentId {
        ShipmentId::derive(self.id.as_uuid(), "shipment/1")
    }

    /// What its place in its life asks of the others; nothing where a person decided.
    pub(crate) const fn stage(&self) -> Stage {
        if self.by_hand {
            return Stage::Open;
        }
        match self.state {
            OrderState::Reserving
            | OrderState::Authorizing
            | OrderState::Confirming
            | OrderState::Capturing
            | OrderState::Cancelling
            | OrderState::Returning
            | OrderState::NeedsAttention => Stage::Open,
            OrderState::Confirmed => Stage::Confirmed,
            OrderState::Shipped => Stage::Shipped,
            OrderState::Delivered => Stage::Delivered,
            OrderState::Returned => Stage::Returned,
            OrderState::Cancelled | OrderState::Rejected => Stage::Undone,
        }
    }
}
