//! The telemetry crate from outside.
#![expect(
    clippy::expect_used,
    reason = "clippy.toml frees test functions of this, but not what they call"
)]

mod logs;
mod propagation;
mod registry;
mod support;
