//! The test kit against real servers.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
#![expect(
    clippy::disallowed_methods,
    reason = "a test's tasks end with its runtime"
)]

mod containers;
mod databases;
mod fault_proxy;
mod private;
mod processes;
mod waiting;
