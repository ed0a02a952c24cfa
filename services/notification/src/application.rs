//! The use cases: what is committed is announced, in this order.

mod cursors;
mod groups;
mod history;
mod tell;
mod tell_of_orders;
mod upkeep;
pub mod webhooks;

pub use cursors::MoveCursors;
pub use groups::{KeepGroups, NotJoined};
pub use history::{NotMarked, ReadHistory};
pub use tell::{NotTold, Passing, Tell};
pub use tell_of_orders::{Heard, OrderNotTold, TellOfOrders};
pub use upkeep::{Upkeep, UpkeepLimits};
