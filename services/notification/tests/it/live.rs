//! Connections over real sockets, with a database in memory.

pub(crate) mod desk;
mod opening;
mod sending_away;
mod telling;

use std::time::Duration;

pub(crate) const SOON: Duration = Duration::from_secs(60);
