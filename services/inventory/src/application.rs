//! The use cases that sequence more than one call.

mod expire_reservations;

pub use expire_reservations::ExpireReservations;
