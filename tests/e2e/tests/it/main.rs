//! The whole shop on real processes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

mod by_hand;
mod cancelling;
mod carrier;
mod counted;
mod crashes;
mod demo;
mod door;
mod edge_cases;
mod hearing;
mod notifications;
mod orders;
mod outages;
mod races;
mod recipients;
mod rest;
mod straight;
