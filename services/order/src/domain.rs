//! What an order is and how it moves. Pure: no I/O, no clock, no randomness, no formats.

mod event;
mod input;
mod order;
mod phase;
mod placing;
pub mod saga;
mod step;
mod waiting;

pub use event::{Event, EventKind, RebuildError, Recorded, rebuild};
pub use input::{DisputeNews, Input, PaymentAnswer, RefundAnswer, ShipmentNews, StockAnswer, Verb};
pub use order::{Address, Details, Line, Order, Timer};
pub use phase::{
    Asked, Attention, Authorizing, Cancelling, Confirming, OrderState, Outcome, Parcel,
    PaymentWait, Phase, Saga, StockStep, Undo,
};
pub use placing::{CatalogueItem, Draft, DraftLine, NewOrder, PlaceFault};
pub use step::Step;
pub use waiting::{Waiting, waiting};
