//! What a shipping clerk knows: pure, no I/O; time comes as an argument.

mod news;
mod parcel;
mod rates;
mod shipment;
mod state;
mod zone;

pub use news::{News, Verdict};
pub use parcel::{Address, Ask, Booking, Details, Errand, Parcel, Refusal};
pub use rates::{Quote, Rates};
pub use shipment::{Shipment, TRACKING_MAX, Tracking, Update};
pub use state::State;
pub use zone::Zone;
