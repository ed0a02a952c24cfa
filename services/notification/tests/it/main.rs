//! The service against real servers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

mod email;
mod faults;
mod feed;
mod live;
mod nodes;
mod preferences;
mod presence;
mod stage;
mod store;
mod straight;
mod webhooks;
