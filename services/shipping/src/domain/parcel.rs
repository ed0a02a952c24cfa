//! What is carried, and what a carrier gives for it.

use std::fmt;

use tradepost_types::{Currency, Money, OrderId, ShipmentId};

/// Where a parcel goes. Personal data: its `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
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

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address([redacted])")
    }
}

/// What is to be carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// The shipment: our own reference at the carrier.
    pub id: ShipmentId,
    /// The order.
    pub order: OrderId,
    /// Where it goes.
    pub destination: Address,
    /// The weight.
    pub weight_grams: i64,
    /// The currency of the cost.
    pub currency: Currency,
}

/// What is booked: fixed when the label is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details {
    /// Where it goes.
    pub destination: Address,
    /// The weight.
    pub weight_grams: i64,
    /// What the carrier charges.
    pub cost: Money,
    /// The carrier's label.
    pub booking: Booking,
}

/// What a carrier gives for a booking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booking {
    /// Which carrier.
    pub carrier: String,
    /// Which of its services.
    pub service_level: String,
    /// Its number for the parcel.
    pub tracking_number: String,
    /// Where the label is.
    pub label_reference: String,
}

/// What the carrier must still be asked, and how often it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errand {
    /// What.
    pub ask: Ask,
    /// How many attempts there were.
    pub attempts: u32,
}

/// What a carrier can be asked about one shipment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// To take this parcel.
    Book(Parcel),
    /// To forget its booking, if it has one.
    Cancel,
}

/// Why nobody takes a parcel: for good, under this id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No carrier goes there.
    #[error("no carrier goes there")]
    DestinationNotServed,
    /// It is too heavy for every carrier.
    #[error("no carrier takes that weight")]
    WeightTooLarge,
    /// The carrier does not want this parcel.
    #[error("the carrier does not take this parcel")]
    ParcelRefused,
    /// Another parcel goes out for the order.
    #[error("another parcel goes out for the order")]
    OrderHasShipment,
}

impl Refusal {
    /// The word that the order and callers see.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::DestinationNotServed => "DESTINATION_NOT_SERVED",
            Self::WeightTooLarge => "WEIGHT_TOO_LARGE",
            Self::ParcelRefused => "PARCEL_REFUSED",
            Self::OrderHasShipment => "ORDER_HAS_SHIPMENT",
        }
    }
}
