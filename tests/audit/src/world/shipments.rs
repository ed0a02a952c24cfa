//! Shipments as the others see them.

use sqlx::FromRow;
use tradepost_types::{OrderId, ShipmentId, TenantId};
use uuid::Uuid;

use super::{OrderKey, states};
use crate::audit::CannotAudit;

states! {
    /// Where a parcel stands.
    ShipmentState of "a shipment" {
        Planned = "planned",
        LabelReady = "label_ready",
        HandedOver = "handed_over",
        InTransit = "in_transit",
        OutForDelivery = "out_for_delivery",
        Delivered = "delivered",
        Exception = "exception",
        ReturnedToSender = "returned_to_sender",
        Lost = "lost",
        Voided = "voided",
    }
}

impl ShipmentState {
    /// Whether there is a parcel: the carrier has agreed to take one, and nobody called it off.
    pub(crate) const fn goes_out(self) -> bool {
        match self {
            Self::LabelReady
            | Self::HandedOver
            | Self::InTransit
            | Self::OutForDelivery
            | Self::Delivered
            | Self::Exception
            | Self::ReturnedToSender
            | Self::Lost => true,
            Self::Planned | Self::Voided => false,
        }
    }
}

/// A shipment.
#[derive(Debug, Clone)]
pub(crate) struct Shipment {
    pub(crate) tenant: TenantId,
    pub(crate) id: ShipmentId,
    pub(crate) order: OrderId,
    pub(crate) state: ShipmentState,
}

pub(super) const QUERY: &str = "select tenant_id, shipment_id, order_id, state from shipments";

/// A row of [`QUERY`].
#[derive(FromRow)]
pub(super) struct Row {
    tenant_id: Uuid,
    shipment_id: Uuid,
    order_id: Uuid,
    state: String,
}

impl Shipment {
    pub(super) fn from_row(row: Row) -> Result<((TenantId, ShipmentId), Self), CannotAudit> {
        let shipment = Self {
            tenant: TenantId::from_uuid(row.tenant_id),
            id: ShipmentId::from_uuid(row.shipment_id),
            order: OrderId::from_uuid(row.order_id),
            state: ShipmentState::parse(&row.state)?,
        };
        Ok(((shipment.tenant, shipment.id), shipment))
    }

    pub(crate) const fn order(&self) -> OrderKey {
        (self.tenant, self.order)
    }
}
