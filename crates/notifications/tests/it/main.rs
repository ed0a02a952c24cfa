//! The protocol as others read it, and the client before a server that says what the test has it say.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

mod asyncapi;
mod closing;
mod falling_back;
mod server;
