//! Connections over real sockets, with a database in memory.

mod desk;
mod opening;
mod sending_away;
mod telling;

use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);
