//! The order service on real PostgreSQL and RabbitMQ, with scripted participants.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::too_many_lines,
    reason = "a test fails by panicking"
)]

mod access;
mod bounds;
mod operators;
mod participants;
mod placing;
mod reading;
mod saga;
mod stage;
mod store;
mod together;
