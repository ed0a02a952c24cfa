//! The use cases that sequence more than one call.

mod carry_out;
mod courier;
mod move_parcels;
mod record_report;

pub use carry_out::{Action, CarryOut, Command};
pub use courier::{Courier, Patience};
pub use move_parcels::{ClockLimits, MoveParcels};
pub use record_report::record_report;
