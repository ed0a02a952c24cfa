//! From values to protobuf.

use tradepost_proto::convert::{money_to_proto, timestamp_to_proto};
use tradepost_proto::inventory::v1 as pb;
use tradepost_types::Sku;

use crate::domain::{Item, Movement, MovementKind, ReservationState, Stock};
use crate::ports::StoredReservation;

pub(super) fn item(item: Item) -> pb::Item {
    pb::Item {
        sku: item.sku.to_string(),
        name: item.name,
        price: Some(money_to_proto(item.price)),
        weight_grams: item.weight_grams,
        active: item.active,
        stock: Some(stock(item.stock)),
        create_time: Some(timestamp_to_proto(item.created_at)),
        update_time: Some(timestamp_to_proto(item.updated_at)),
    }
}

/// The found items, and which of the wanted SKUs no item has; both lists are in SKU order.
pub(super) fn batch(wanted: &[Sku], items: Vec<Item>) -> pb::BatchGetItemsResponse {
    let found = |sku: &Sku| items.binary_search_by(|item| item.sku.cmp(sku)).is_ok();
    let unknown_skus = wanted
        .iter()
        .filter(|&sku| !found(sku))
        .map(Sku::to_string)
        .collect();
    pb::BatchGetItemsResponse {
        unknown_skus,
        items: items.into_iter().map(item).collect(),
    }
}

pub(super) const fn stock(stock: Stock) -> pb::Stock {
    pb::Stock {
        on_hand: stock.on_hand,
        reserved: stock.reserved,
        available: stock.available(),
    }
}

pub(super) fn movement(movement: Movement) -> pb::StockMovement {
    let kind = match movement.kind {
        MovementKind::Received => pb::MovementKind::Received,
        MovementKind::Adjusted => pb::MovementKind::Adjusted,
        MovementKind::WrittenOff => pb::MovementKind::WrittenOff,
        MovementKind::Sold => pb::MovementKind::Sold,
        MovementKind::Restocked => pb::MovementKind::Restocked,
    };
    pb::StockMovement {
        movement_id: movement.id.to_string(),
        sku: movement.sku.to_string(),
        kind: kind.into(),
        delta: movement.delta,
        on_hand_after: movement.on_hand_after,
        reference: movement.reference,
        create_time: Some(timestamp_to_proto(movement.created_at)),
    }
}

pub(super) fn reservation(stored: StoredReservation) -> pb::Reservation {
    let reservation = stored.reservation;
    let (state, expire_at, reason) = match &reservation.state {
        ReservationState::Held { expire_at } => (pb::ReservationState::Held, Some(*expire_at), ""),
        ReservationState::Committed => (pb::ReservationState::Committed, None, ""),
        ReservationState::Released => (pb::ReservationState::Released, None, ""),
        ReservationState::Expired => (pb::ReservationState::Expired, None, ""),
        ReservationState::Rejected(why) => {
            (pb::ReservationState::Rejected, None, why.reason.name())
        }
    };
    let items = reservation.items.iter();
    pb::Reservation {
        reservation_id: reservation.id.to_string(),
        order_id: reservation.order.to_string(),
        state: state.into(),
        items: items
            .map(|(sku, &quantity)| pb::ReservedItem {
                sku: sku.to_string(),
                quantity,
            })
            .collect(),
        expire_time: expire_at.map(timestamp_to_proto),
        reject_reason: reason.to_owned(),
        create_time: Some(timestamp_to_proto(stored.created_at)),
        update_time: Some(timestamp_to_proto(stored.updated_at)),
    }
}
