//! The document in its column.

use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use sqlx::types::Json;
use time::OffsetDateTime;
use tradepost_postgres::DbError;
use tradepost_types::{Currency, Money, OrderId, ShipmentId, TenantId};
use uuid::Uuid;

use crate::domain::{Address, Booking, Details, Shipment, State, Tracking};
use crate::ports::Stored;

#[derive(Serialize, Deserialize)]
pub(super) struct Document {
    details: Option<StoredDetails>,
    failure: Option<String>,
    tracking: Vec<StoredTracking>,
}

#[derive(Serialize, Deserialize)]
struct StoredDetails {
    recipient: String,
    lines: Vec<String>,
    city: String,
    region: String,
    postal_code: String,
    country_code: String,
    weight_grams: i64,
    cost_minor: i64,
    currency: String,
    carrier: String,
    service_level: String,
    tracking_number: String,
    label_reference: String,
}

#[derive(Serialize, Deserialize)]
struct StoredTracking {
    state: String,
    description: String,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
}

impl From<&Shipment> for Document {
    fn from(shipment: &Shipment) -> Self {
        let tracking = shipment.tracking.iter().map(|event| StoredTracking {
            state: event.state.name().to_owned(),
            description: event.description.clone(),
            at: event.at,
        });
        Self {
            details: shipment.details.as_ref().map(StoredDetails::from),
            failure: shipment.failure.clone(),
            tracking: tracking.collect(),
        }
    }
}

impl From<&Details> for StoredDetails {
    fn from(details: &Details) -> Self {
        let (to, booking) = (details.destination.clone(), details.booking.clone());
        Self {
            recipient: to.recipient,
            lines: to.lines,
            city: to.city,
            region: to.region,
            postal_code: to.postal_code,
            country_code: to.country_code,
            weight_grams: details.weight_grams,
            cost_minor: details.cost.minor_units(),
            currency: details.cost.currency().code().to_owned(),
            carrier: booking.carrier,
            service_level: booking.service_level,
            tracking_number: booking.tracking_number,
            label_reference: booking.label_reference,
        }
    }
}

/// A broken row, as a failed decoding.
fn broken(what: &str) -> DbError {
    DbError::from(sqlx::Error::Decode(
        format!("the shipment has an invalid {what}").into(),
    ))
}

fn state(name: &str) -> Result<State, DbError> {
    State::parse(name).ok_or_else(|| broken("state"))
}

impl TryFrom<StoredDetails> for Details {
    type Error = DbError;

    fn try_from(stored: StoredDetails) -> Result<Self, DbError> {
        let currency: Currency = stored
            .currency
            .parse()
            .map_err(|_unknown| broken("currency"))?;
        Ok(Self {
            destination: Address {
                recipient: stored.recipient,
                lines: stored.lines,
                city: stored.city,
                region: stored.region,
                postal_code: stored.postal_code,
                country_code: stored.country_code,
            },
            weight_grams: stored.weight_grams,
            cost: Money::new(stored.cost_minor, currency),
            booking: Booking {
                carrier: stored.carrier,
                service_level: stored.service_level,
                tracking_number: stored.tracking_number,
                label_reference: stored.label_reference,
            },
        })
    }
}

#[derive(FromRow)]
pub(super) struct Row {
    tenant_id: Uuid,
    shipment_id: Uuid,
    order_id: Uuid,
    state: String,
    document: Json<Document>,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

impl TryFrom<Row> for Stored {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        let Document {
            details,
            failure,
            tracking,
        } = row.document.0;
        let tracking = tracking.into_iter().map(|event| {
            let state = state(&event.state)?;
            Ok(Tracking {
                state,
                description: event.description,
                at: event.at,
            })
        });
        let shipment = Shipment {
            tenant: TenantId::from_uuid(row.tenant_id),
            id: ShipmentId::from_uuid(row.shipment_id),
            order: OrderId::from_uuid(row.order_id),
            state: state(&row.state)?,
            details: details.map(Details::try_from).transpose()?,
            failure,
            tracking: tracking.collect::<Result<_, DbError>>()?,
        };
        Ok(Self {
            shipment,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}
