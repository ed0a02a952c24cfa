//! From rows to values. A row that breaks a rule of the domain is a fault of the database, told as
//! one: it is never taken for something else.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use time::OffsetDateTime;
use tradepost_postgres::DbError;
use tradepost_types::{Currency, Money, MovementId, OrderId, ReservationId, Sku, TenantId};
use uuid::Uuid;

use crate::domain::{
    Item, Movement, MovementKind, RejectReason, Rejection, Reservation, ReservationState,
    Shortfall, Stock,
};

/// A broken row, as a failed decoding.
fn broken(what: &str) -> DbError {
    DbError::from(sqlx::Error::Decode(
        format!("the row has an invalid {what}").into(),
    ))
}

pub(super) fn sku(text: &str) -> Result<Sku, DbError> {
    text.parse().map_err(|_invalid| broken("sku"))
}

#[derive(FromRow)]
pub(super) struct ItemRow {
    pub(super) sku: String,
    name: String,
    price_minor: i64,
    currency: String,
    weight_grams: i64,
    active: bool,
    on_hand: i64,
    reserved: i64,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

impl TryFrom<ItemRow> for Item {
    type Error = DbError;

    fn try_from(row: ItemRow) -> Result<Self, DbError> {
        let currency: Currency = row
            .currency
            .parse()
            .map_err(|_unknown| broken("currency"))?;
        Ok(Self {
            sku: sku(&row.sku)?,
            name: row.name,
            price: Money::new(row.price_minor, currency),
            weight_grams: row.weight_grams,
            active: row.active,
            stock: Stock {
                on_hand: row.on_hand,
                reserved: row.reserved,
            },
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

#[derive(FromRow)]
pub(super) struct MovementRow {
    movement_id: Uuid,
    sku: String,
    kind: String,
    delta: i64,
    on_hand_after: i64,
    reference: String,
    created_at: OffsetDateTime,
}

impl TryFrom<MovementRow> for Movement {
    type Error = DbError;

    fn try_from(row: MovementRow) -> Result<Self, DbError> {
        Ok(Self {
            id: MovementId::from_uuid(row.movement_id),
            sku: sku(&row.sku)?,
            kind: MovementKind::parse(&row.kind).ok_or_else(|| broken("movement kind"))?,
            delta: row.delta,
            on_hand_after: row.on_hand_after,
            reference: row.reference,
            created_at: row.created_at,
        })
    }
}

/// A shortfall in its column.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredShortfall {
    sku: String,
    wanted: i64,
    available: i64,
}

impl From<&Shortfall> for StoredShortfall {
    fn from(short: &Shortfall) -> Self {
        let sku = short.sku.to_string();
        Self {
            sku,
            wanted: short.wanted,
            available: short.available,
        }
    }
}

#[derive(FromRow)]
pub(super) struct ReservationRow {
    tenant_id: Uuid,
    reservation_id: Uuid,
    order_id: Uuid,
    state: String,
    skus: Vec<String>,
    quantities: Vec<i64>,
    expire_at: Option<OffsetDateTime>,
    reject_reason: Option<String>,
    shortfalls: Option<sqlx::types::Json<Vec<StoredShortfall>>>,
    pub(super) created_at: OffsetDateTime,
    pub(super) updated_at: OffsetDateTime,
}

impl TryFrom<ReservationRow> for Reservation {
    type Error = DbError;

    fn try_from(row: ReservationRow) -> Result<Self, DbError> {
        let items = row.skus.iter().zip(&row.quantities);
        let items: BTreeMap<Sku, i64> = items
            .map(|(name, &units)| Ok((sku(name)?, units)))
            .collect::<Result<_, DbError>>()?;
        Ok(Self {
            tenant: TenantId::from_uuid(row.tenant_id),
            id: ReservationId::from_uuid(row.reservation_id),
            order: OrderId::from_uuid(row.order_id),
            state: state(&row.state, row.expire_at, row.reject_reason, row.shortfalls)?,
            items,
        })
    }
}

fn state(
    name: &str,
    expire_at: Option<OffsetDateTime>,
    reason: Option<String>,
    shortfalls: Option<sqlx::types::Json<Vec<StoredShortfall>>>,
) -> Result<ReservationState, DbError> {
    match (name, expire_at, reason) {
        ("held", Some(expire_at), None) => Ok(ReservationState::Held { expire_at }),
        ("committed", None, None) => Ok(ReservationState::Committed),
        ("released", None, None) => Ok(ReservationState::Released),
        ("expired", None, None) => Ok(ReservationState::Expired),
        ("rejected", None, Some(reason)) => {
            let reason = RejectReason::parse(&reason).ok_or_else(|| broken("reject reason"))?;
            let shortfalls = shortfalls.map(|json| json.0).unwrap_or_default();
            let shortfalls = shortfalls
                .into_iter()
                .map(|short| {
                    let sku = sku(&short.sku)?;
                    Ok(Shortfall {
                        sku,
                        wanted: short.wanted,
                        available: short.available,
                    })
                })
                .collect::<Result<_, DbError>>()?;
            Ok(ReservationState::Rejected(Rejection { reason, shortfalls }))
        }
        _ => Err(broken("reservation state")),
    }
}
