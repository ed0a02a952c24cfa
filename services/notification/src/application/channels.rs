//! What every channel does: follow the history, send what is due, forget what is old.

mod deliver;
mod follow;
mod upkeep;

pub use deliver::{Deliver, Pace};
pub use follow::FollowHistory;
pub use upkeep::PruneDeliveries;
