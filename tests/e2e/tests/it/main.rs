//! The whole shop on real processes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

mod counted;
mod crashes;
mod door;
mod edge_cases;
mod orders;
mod outages;
mod races;
mod rest;
