//! A service that owns data: its database, its messages, and the chores that both need.
//!
//! [`Backend::open`] brings the schema up to date, [`Backend::serve`] runs messaging beside the
//! gRPC server and closes the pools after the last user of them; [`BackendCommand`] is what every
//! such service lets operators do. What the service itself does stands in its bootstrap.

mod backend;
mod command;
mod janitor;
mod provision;

pub use backend::{Backend, Settings};
pub use command::{BackendCommand, run};
