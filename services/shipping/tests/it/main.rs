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
mod bounds;
mod broker;
mod calls;
mod carrier;
mod clock;
mod moody;
mod plans;
mod store_contract;
mod store_on_postgres;
mod support;
mod voyages;
