//! The gateway before scripted services: what it makes of requests and answers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

mod answers;
mod audit;
mod bodies;
mod document;
mod draining;
mod errors;
mod fake;
mod headers;
mod limits;
mod process;
mod stage;
mod waiting;
mod webhooks;
