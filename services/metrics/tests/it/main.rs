//! The service against a real PostgreSQL.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

mod archive;
mod archived;
mod by_plan;
mod cache;
mod counted;
mod crashes;
mod exports;
mod keys;
mod live;
mod operators;
mod orders;
mod plans;
mod producers;
mod queries;
mod report;
mod store;
mod stream;
mod streams;
mod support;
mod tenancy;
mod tenants;
