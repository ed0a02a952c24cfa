//! The service against a real PostgreSQL and a real RabbitMQ.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

mod access;
mod batches;
mod bounds;
mod broker;
mod calls;
mod plans;
mod support;
mod tenancy;
