//! What a shipping clerk knows: pure, no I/O; time comes as an argument.

mod rates;
mod shipment;
mod state;

pub use rates::{Quote, RateError, Rates, Zone};
pub use shipment::{
    Address, Booking, Details, News, Shipment, TRACKING_MAX, Tracking, Update, Verdict,
};
pub use state::State;
