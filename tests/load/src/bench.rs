//! Benches: of a running shop, of the gateway alone, of the metrics and the notification
//! service alone. Load comes at a
//! constant rate, whatever the answers take, unless a figure is of how much there can be.

pub mod analytics;
pub mod edge;
pub mod hot_sku;
pub mod live;
mod machine;
mod memory;
pub mod notifications;
mod open_loop;
pub mod orders;
mod process;
mod report;
mod shop;
mod target;

pub use machine::Machine;
pub use memory::{MemoryError, resident};
pub use open_loop::Pace;
pub use report::{Report, Row, Rows, Unit};
pub use target::{Calls, Server, Target, TargetError};

use crate::gateway::CallError;

/// Why there is no figure.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The gateway could not be asked or prepared.
    #[error(transparent)]
    Call(#[from] CallError),
    /// Orders did not come to their end in time.
    #[error("orders of {0} have no end yet after {1} s")]
    Backlog(String, u64),
}
