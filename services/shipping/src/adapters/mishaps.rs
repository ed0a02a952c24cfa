//! A carrier whose parcels meet mishaps, as many as the configuration says, for rehearsals. What
//! becomes of a parcel follows from its id or its address: the same parcel meets the same fate.

use async_trait::async_trait;
use tradepost_types::{Currency, ShipmentId};

use crate::config::MishapsConfig;
use crate::domain::{Details, Parcel, Shipment, State};
use crate::ports::{AnyCarrier, Carrier, CarrierError, Move, Offer};

/// A destination whose region is this meets an exception before it arrives.
pub const EXCEPTION_REGION: &str = "SIM-EXCEPTION";
/// A destination whose region is this comes back instead of arriving.
pub const RETURN_REGION: &str = "SIM-RETURN";
/// A destination whose region is this is lost instead of arriving.
pub const LOSS_REGION: &str = "SIM-LOSS";

const MILLE: u128 = 1_000;

/// Another carrier, with mishaps.
pub struct Mishaps {
    carrier: AnyCarrier,
    shares: MishapsConfig,
}

impl Mishaps {
    /// That carrier with these mishaps.
    #[must_use]
    pub const fn new(carrier: AnyCarrier, shares: MishapsConfig) -> Self {
        Self { carrier, shares }
    }

    /// Whether something goes wrong on the way; it does so once.
    fn stumbles(&self, shipment: &Shipment) -> bool {
        let drawn = shipment.id.as_uuid().as_u128() / MILLE % MILLE;
        let stumbles = drawn < u128::from(self.shares.exceptions_per_mille)
            || region(shipment) == Some(EXCEPTION_REGION);
        let stumbled = |state| state == State::Exception;
        stumbles && !shipment.tracking.iter().any(|event| stumbled(event.state))
    }

    /// Where the last move leads instead of to the door.
    fn end(&self, shipment: &Shipment) -> Option<(State, &'static str)> {
        let drawn = shipment.id.as_uuid().as_u128() % MILLE;
        let returned = u128::from(self.shares.returns_per_mille);
        let lost = returned + u128::from(self.shares.losses_per_mille);
        let back = (State::ReturnedToSender, "returned to sender");
        let gone = (State::Lost, "lost");
        match region(shipment) {
            Some(RETURN_REGION) => Some(back),
            Some(LOSS_REGION) => Some(gone),
            Some(_) | None if drawn < returned => Some(back),
            Some(_) | None => (drawn < lost).then_some(gone),
        }
    }
}

fn region(shipment: &Shipment) -> Option<&str> {
    let details = shipment.details.as_ref()?;
    Some(details.destination.region.as_str())
}

#[async_trait]
impl Carrier for Mishaps {
    async fn quote(
        &self,
        country: &str,
        grams: i64,
        currency: Currency,
    ) -> Result<Offer, CarrierError> {
        self.carrier.quote(country, grams, currency).await
    }

    async fn find(&self, parcel: &Parcel) -> Result<Option<Details>, CarrierError> {
        self.carrier.find(parcel).await
    }

    async fn book(&self, parcel: &Parcel) -> Result<Details, CarrierError> {
        self.carrier.book(parcel).await
    }

    async fn cancel(&self, id: ShipmentId) -> Result<(), CarrierError> {
        self.carrier.cancel(id).await
    }

    fn next(&self, shipment: &Shipment) -> Option<Move> {
        let next = self.carrier.next(shipment)?;
        if next.state != State::Delivered {
            return Some(next);
        }
        let instead = if self.stumbles(shipment) {
            Some((State::Exception, "nobody was at home"))
        } else {
            self.end(shipment)
        };
        Some(match instead {
            Some((state, description)) => Move {
                state,
                description,
                ..next
            },
            None => next,
        })
    }
}

#[cfg(test)]
mod tests;
