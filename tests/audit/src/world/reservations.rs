//! Reservations as the others see them.

use sqlx::FromRow;
use tradepost_types::{OrderId, ReservationId, TenantId};
use uuid::Uuid;

use super::{OrderKey, states};
use crate::audit::CannotAudit;

states! {
    /// Where a reservation stands.
    ReservationState of "a reservation" {
        Held = "held",
        Committed = "committed",
        Released = "released",
        Expired = "expired",
        Rejected = "rejected",
    }
}

impl ReservationState {
    /// Whether units are promised or sold by it.
    pub(crate) const fn is_live(self) -> bool {
        match self {
            Self::Held | Self::Committed => true,
            Self::Released | Self::Expired | Self::Rejected => false,
        }
    }
}

/// A reservation.
#[derive(Debug, Clone)]
pub(crate) struct Reservation {
    pub(crate) tenant: TenantId,
    pub(crate) id: ReservationId,
    pub(crate) order: OrderId,
    pub(crate) state: ReservationState,
    /// A digest of the units by SKU.
    pub(crate) holds: Option<String>,
}

pub(super) const QUERY: &str = r#"
select tenant_id, reservation_id, order_id, state,
       (select md5(string_agg(sku || E'\t' || units, E'\n' order by sku collate "C"))
        from unnest(skus, quantities) as item (sku, units)) as holds
from reservations"#;

/// A row of [`QUERY`].
#[derive(FromRow)]
pub(super) struct Row {
    tenant_id: Uuid,
    reservation_id: Uuid,
    order_id: Uuid,
    state: String,
    holds: Option<String>,
}

impl Reservation {
    pub(super) fn from_row(row: Row) -> Result<((TenantId, ReservationId), Self), CannotAudit> {
        let reservation = Self {
            tenant: TenantId::from_uuid(row.tenant_id),
            id: ReservationId::from_uuid(row.reservation_id),
            order: OrderId::from_uuid(row.order_id),
            state: ReservationState::parse(&row.state)?,
            holds: row.holds,
        };
        Ok(((reservation.tenant, reservation.id), reservation))
    }

    pub(crate) const fn order(&self) -> OrderKey {
        (self.tenant, self.order)
    }
}
