//! The gateway before scripted services: what it makes of requests and answers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

mod access;
mod answers;
mod audit;
mod bodies;
mod document;
mod doubles;
mod draining;
mod errors;
mod fake;
mod headers;
mod identity;
mod limits;
mod matrix;
mod process;
mod resilience;
mod stage;
mod tenancy;
mod waiting;
mod webhooks;
