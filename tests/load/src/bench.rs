//! Benches against a running shop: how fast orders are accepted and confirmed, and how fast one
//! item is sold out. Load comes at a constant rate, whatever the answers take.

pub mod edge;
pub mod hot_sku;
mod machine;
mod memory;
mod open_loop;
pub mod orders;
mod report;
mod shop;

pub use machine::Machine;
pub use memory::{MemoryError, resident};
pub use open_loop::Pace;
pub use report::{Report, Row, Rows, Unit};

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
