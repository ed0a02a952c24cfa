//! A service that owns data: its database, its messages, and the chores that both need.
//!
//! [`Backend::open`] brings the schema up to date, [`Backend::serve`] runs messaging beside the
//! gRPC server and closes the pools after the last user of them; [`BackendCommand`] is what every
//! such service lets operators do. A service that owns data but has no messages opens a [`Store`].
//! What the service itself does stands in its bootstrap.

mod backend;
mod command;
mod janitor;
mod provision;
mod store;

pub use backend::{Backend, Settings};
pub use command::{BackendCommand, run};
pub use provision::{Provision, provision};
pub use store::{Store, StoreSettings};
