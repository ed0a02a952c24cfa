//! The first carrier: prices from a table, parcels that move on a configurable clock. It always
//! answers, and always the same; what goes wrong on the way is another adapter's, `mishaps`.

use std::time::Duration;

use async_trait::async_trait;
use tradepost_types::{Currency, ShipmentId};

use crate::config::CarrierConfig;
use crate::domain::{Booking, Details, Parcel, Rates, Shipment, State};
use crate::ports::{Carrier, CarrierError, Move, Offer};

/// The carrier's name.
pub const NAME: &str = "table-rate";
/// Its one service.
pub const SERVICE_LEVEL: &str = "standard";

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
    async fn quote(
        &self,
        country: &str,
        grams: i64,
        currency: Currency,
    ) -> Result<Offer, CarrierError> {
        let quote = self.rates.quote(country, grams, currency);
        Ok(Offer {
            carrier: NAME.to_owned(),
            service_level: SERVICE_LEVEL.to_owned(),
            quote: quote.map_err(CarrierError::Refused)?,
        })
    }

    /// Nothing to look up: a booking that is repeated repeats its label.
    async fn find(&self, _parcel: &Parcel) -> Result<Option<Details>, CarrierError> {
        Ok(None)
    }

    async fn book(&self, parcel: &Parcel) -> Result<Details, CarrierError> {
        let country = &parcel.destination.country_code;
        let offer = self.quote(country, parcel.weight_grams, parcel.currency);
        let offer = offer.await?;
        let number = parcel.id.as_uuid().simple().to_string().to_uppercase();
        Ok(Details {
            destination: parcel.destination.clone(),
            weight_grams: parcel.weight_grams,
            cost: offer.quote.cost,
            booking: Booking {
                carrier: offer.carrier,
                service_level: offer.service_level,
                label_reference: format!("label/{number}"),
                tracking_number: format!("TR{number}"),
            },
        })
    }

    /// It has no parcel that the shipments do not show.
    async fn cancel(&self, _id: ShipmentId) -> Result<(), CarrierError> {
        Ok(())
    }

    fn next(&self, shipment: &Shipment) -> Option<Move> {
        let clock = &self.clock;
        let (state, description, after_ms) = match shipment.state {
            State::LabelReady => (State::HandedOver, "handed over", clock.hand_over_after_ms),
            State::HandedOver => (State::InTransit, "in transit", clock.in_transit_after_ms),
            State::InTransit | State::Exception => (
                State::OutForDelivery,
                "out for delivery",
                clock.out_for_delivery_after_ms,
            ),
            State::OutForDelivery => (State::Delivered, "delivered", clock.deliver_after_ms),
            State::Planned
            | State::Delivered
            | State::ReturnedToSender
            | State::Lost
            | State::Voided => return None,
        };
        Some(Move {
            state,
            description,
            after: Duration::from_millis(after_ms),
        })
    }
}
