//! The use cases that sequence more than one call.

mod carry_out;
mod move_parcels;

pub use carry_out::{Action, CarryOut, Command};
pub use move_parcels::MoveParcels;
