//! What a storekeeper knows: pure, no I/O; time comes as an argument.

mod item;
mod reservation;
mod shelf;

pub use item::{Item, ItemKey, Movement, MovementKind, Refusal, Stock, UNITS_MAX};
pub use reservation::{
    Action, Answer, Command, CommitRefusal, RejectReason, Rejection, Reservation, ReservationState,
    Shortfall,
};
pub use shelf::{Sale, Shelf};
