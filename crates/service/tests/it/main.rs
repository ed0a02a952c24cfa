//! The service crate from outside.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "clippy.toml frees test functions of these, but not what they call"
)]

mod admin;
mod auth;
mod auth_rotation;
mod config;
mod context;
mod errors;
mod page;
mod process;
mod server;
mod streams;
mod support;
mod tls;
