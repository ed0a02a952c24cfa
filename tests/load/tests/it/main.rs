//! The load tools against a gateway that is not one, and against the metrics service.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

mod analytics;
mod bench;
mod fake;
mod live;
mod replay;
mod service;
