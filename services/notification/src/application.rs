//! The use cases: what is committed is announced, in this order.

pub mod channels;
mod cursors;
pub mod email;
mod groups;
mod history;
mod preferences;
mod presence;
mod tell;
mod tell_of_orders;
mod upkeep;
pub mod webhooks;

pub use cursors::MoveCursors;
pub use groups::{KeepGroups, NotJoined};
pub use history::{NotMarked, ReadHistory};
pub use preferences::{KeepPreferences, NotPreferred};
pub use presence::{KnowPresence, Presences};
pub use tell::{NotTold, Passing, Tell};
pub use tell_of_orders::{Heard, OrderNotTold, TellOfOrders};
pub use upkeep::{Upkeep, UpkeepLimits};
