//! The first carrier: prices from a table, parcels that move on a configurable clock.

use std::time::Duration;

use async_trait::async_trait;
use tradepost_types::Currency;

use crate::config::CarrierConfig;
use crate::domain::{Booking, Details, Quote, RateError, Rates, Shipment, State};
use crate::ports::{Carrier, Parcel};

/// The carrier's name.
pub const NAME: &str = "table-rate";
/// Its one service.
pub const SERVICE_LEVEL: &str = "standard";
/// A destination whose region is this comes back instead of arriving: for rehearsals.
pub const RETURN_REGION: &str = "SIM-RETURN";

/// The carrier.
#[derive(Debug, Clone)]
pub struct TableRate {
    clock: CarrierConfig,
    rates: Rates,
}

impl TableRate {
    /// A carrier with this clock.
    #[must_use]
    pub const fn new(clock: CarrierConfig) -> Self {
        Self {
            clock,
            rates: Rates,
        }
    }
}

#[async_trait]
impl Carrier for TableRate {
    fn quote(&self, country: &str, grams: i64, currency: Currency) -> Result<Quote, RateError> {
        self.rates.quote(country, grams, currency)
    }

    async fn book(&self, parcel: &Parcel) -> Result<Details, RateError> {
        let country = &parcel.destination.country_code;
        let quote = self
            .rates
            .quote(country, parcel.weight_grams, parcel.currency)?;
        // The number is the shipment's own id, so a booking that is repeated repeats its label.
        let number = parcel.id.as_uuid().simple().to_string().to_uppercase();
        Ok(Details {
            destination: parcel.destination.clone(),
            weight_grams: parcel.weight_grams,
            cost: quote.cost,
            booking: Booking {
                carrier: NAME.to_owned(),
                service_level: SERVICE_LEVEL.to_owned(),
                label_reference: format!("label/{number}"),
                tracking_number: format!("TR{number}"),
            },
        })
    }

    fn next(&self, shipment: &Shipment) -> Option<(State, Duration)> {
        let region = shipment
            .details
            .as_ref()
            .map(|details| details.destination.region.as_str());
        let clock = &self.clock;
        let (state, after_ms) = match shipment.state {
            State::LabelReady => (State::HandedOver, clock.hand_over_after_ms),
            State::HandedOver => (State::InTransit, clock.in_transit_after_ms),
            State::InTransit if region == Some(RETURN_REGION) => {
                (State::ReturnedToSender, clock.deliver_after_ms)
            }
            State::InTransit | State::Exception => {
                (State::OutForDelivery, clock.out_for_delivery_after_ms)
            }
            State::OutForDelivery => (State::Delivered, clock.deliver_after_ms),
            State::Delivered | State::ReturnedToSender | State::Lost | State::Voided => {
                return None;
            }
        };
        Some((state, Duration::from_millis(after_ms)))
    }
}
