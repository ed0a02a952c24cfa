//! Companies that carry parcels.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tradepost_types::{Currency, ShipmentId};

use super::BoxError;
use crate::domain::{Details, Parcel, Quote, Refusal, Shipment, State};

/// Why a carrier did not do it.
#[derive(Debug, thiserror::Error)]
pub enum CarrierError {
    /// It will not, now or later.
    #[error("the carrier refuses")]
    Refused(#[source] Refusal),
    /// It could not, and certainly did nothing: try again later.
    #[error("the carrier is unavailable")]
    Unavailable(#[source] BoxError),
    /// No answer came: it may have done it. It must be asked by our own reference before anything
    /// is tried again.
    #[error("the outcome at the carrier is unknown")]
    Unknown(#[source] BoxError),
}

/// What a carrier asks for one way of shipping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Which carrier.
    pub carrier: String,
    /// Which of its services.
    pub service_level: String,
    /// The price and the time.
    pub quote: Quote,
}

/// What happens to a parcel next on a carrier's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// Where it will stand.
    pub state: State,
    /// What the carrier will write.
    pub description: &'static str,
    /// How long that takes from now.
    pub after: Duration,
}

/// A company that carries parcels. It knows a shipment by our id. Callers bound the time of every
/// call and may drop it half-way.
#[async_trait]
pub trait Carrier: Send + Sync {
    /// What it would cost. Changes nothing, so it must not return [`CarrierError::Unknown`].
    async fn quote(
        &self,
        country: &str,
        grams: i64,
        currency: Currency,
    ) -> Result<Offer, CarrierError>;

    /// The booking that the carrier has under our reference, if it has one: asked before every
    /// attempt to book. Must not return [`CarrierError::Refused`]. A carrier that gives the same
    /// label for the same shipment may always answer that it has none.
    async fn find(&self, parcel: &Parcel) -> Result<Option<Details>, CarrierError>;

    /// Books a parcel under our reference. Must return [`CarrierError::Refused`] when the carrier
    /// does not take it.
    async fn book(&self, parcel: &Parcel) -> Result<Details, CarrierError>;

    /// Gives the label back, if there is one. Must return [`CarrierError::Refused`] when the
    /// carrier has the parcel.
    async fn cancel(&self, id: ShipmentId) -> Result<(), CarrierError>;

    /// What happens to a parcel next; nothing for one that has ended, or whose way the carrier
    /// reports by itself.
    fn next(&self, shipment: &Shipment) -> Option<Move>;
}

/// A carrier as the use cases hold it.
pub type AnyCarrier = Arc<dyn Carrier>;
