//! What the service needs from the outside.

mod carrier;
mod store;

pub use carrier::{AnyCarrier, Carrier, CarrierError, Move, Offer};
pub use store::{
    Decide, Decision, Due, Judge, RequestKey, ShipmentStore, Shipments, StoreError, Stored, Target,
};

/// Any source of a failure.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
