//! A shipment as a document, in the form that every store keeps: no column, no query.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tradepost_types::{Currency, Money, OrderId, ShipmentId, TenantId};

use crate::domain::{Address, Ask, Booking, Details, Errand, Parcel, Shipment, State, Tracking};
use crate::ports::StoreError;

/// What stands beside the document, for a store to search by.
pub(crate) struct Cover {
    pub(crate) tenant: TenantId,
    pub(crate) id: ShipmentId,
    pub(crate) order: OrderId,
    pub(crate) state: String,
    pub(crate) version: i64,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Document {
    details: Option<StoredDetails>,
    failure: Option<String>,
    errand: Option<StoredErrand>,
    tracking: Vec<StoredTracking>,
}

#[derive(Serialize, Deserialize)]
struct StoredAddress {
    recipient: String,
    lines: Vec<String>,
    city: String,
    region: String,
    postal_code: String,
    country_code: String,
}

#[derive(Serialize, Deserialize)]
struct StoredDetails {
    #[serde(flatten)]
    destination: StoredAddress,
    weight_grams: i64,
    cost_minor: i64,
    currency: String,
    carrier: String,
    service_level: String,
    tracking_number: String,
    label_reference: String,
}

#[derive(Serialize, Deserialize)]
struct StoredErrand {
    ask: StoredAsk,
    attempts: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredAsk {
    Book {
        destination: StoredAddress,
        weight_grams: i64,
        currency: String,
    },
    Cancel,
}

#[derive(Serialize, Deserialize)]
struct StoredTracking {
    state: String,
    description: String,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
}

/// A document that holds what no shipment can.
#[derive(Debug, thiserror::Error)]
#[error("the shipment has an invalid {0}")]
struct Invalid(&'static str);

impl From<Invalid> for StoreError {
    fn from(invalid: Invalid) -> Self {
        Self::Broken(invalid.into())
    }
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
            errand: shipment.errand.as_ref().map(StoredErrand::from),
            tracking: tracking.collect(),
        }
    }
}

impl From<&Address> for StoredAddress {
    fn from(address: &Address) -> Self {
        let to = address.clone();
        Self {
            recipient: to.recipient,
            lines: to.lines,
            city: to.city,
            region: to.region,
            postal_code: to.postal_code,
            country_code: to.country_code,
        }
    }
}

impl From<&Details> for StoredDetails {
    fn from(details: &Details) -> Self {
        let booking = details.booking.clone();
        Self {
            destination: StoredAddress::from(&details.destination),
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

impl From<&Errand> for StoredErrand {
    fn from(errand: &Errand) -> Self {
        let ask = match &errand.ask {
            Ask::Book(parcel) => StoredAsk::Book {
                destination: StoredAddress::from(&parcel.destination),
                weight_grams: parcel.weight_grams,
                currency: parcel.currency.code().to_owned(),
            },
            Ask::Cancel => StoredAsk::Cancel,
        };
        Self {
            ask,
            attempts: errand.attempts,
        }
    }
}

impl Document {
    /// The shipment of this document.
    pub(crate) fn shipment(self, cover: &Cover) -> Result<Shipment, StoreError> {
        let tracking = self.tracking.into_iter().map(|event| {
            let state = state(&event.state)?;
            Ok(Tracking {
                state,
                description: event.description,
                at: event.at,
            })
        });
        let errand = self.errand.map(|errand| errand.errand(cover)).transpose()?;
        Ok(Shipment {
            tenant: cover.tenant,
            id: cover.id,
            order: cover.order,
            state: state(&cover.state)?,
            details: self.details.map(Details::try_from).transpose()?,
            failure: self.failure,
            errand,
            tracking: tracking.collect::<Result<_, Invalid>>()?,
            version: cover.version,
        })
    }
}

impl From<StoredAddress> for Address {
    fn from(stored: StoredAddress) -> Self {
        Self {
            recipient: stored.recipient,
            lines: stored.lines,
            city: stored.city,
            region: stored.region,
            postal_code: stored.postal_code,
            country_code: stored.country_code,
        }
    }
}

impl TryFrom<StoredDetails> for Details {
    type Error = Invalid;

    fn try_from(stored: StoredDetails) -> Result<Self, Invalid> {
        Ok(Self {
            destination: stored.destination.into(),
            weight_grams: stored.weight_grams,
            cost: Money::new(stored.cost_minor, currency(&stored.currency)?),
            booking: Booking {
                carrier: stored.carrier,
                service_level: stored.service_level,
                tracking_number: stored.tracking_number,
                label_reference: stored.label_reference,
            },
        })
    }
}

impl StoredErrand {
    fn errand(self, cover: &Cover) -> Result<Errand, Invalid> {
        let ask = match self.ask {
            StoredAsk::Cancel => Ask::Cancel,
            StoredAsk::Book {
                destination,
                weight_grams,
                currency: code,
            } => Ask::Book(Parcel {
                id: cover.id,
                order: cover.order,
                destination: destination.into(),
                weight_grams,
                currency: currency(&code)?,
            }),
        };
        Ok(Errand {
            ask,
            attempts: self.attempts,
        })
    }
}

fn state(name: &str) -> Result<State, Invalid> {
    State::parse(name).ok_or(Invalid("state"))
}

fn currency(code: &str) -> Result<Currency, Invalid> {
    code.parse().map_err(|_unknown| Invalid("currency"))
}
