//! The service against a real PostgreSQL, a real RabbitMQ and the provider's simulator.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

mod access;
mod bounds;
mod broker;
mod disputes;
mod faults;
mod flows;
mod ledger;
mod plans;
mod refunds;
mod secrets;
mod support;
mod tenancy;
mod webhooks;
