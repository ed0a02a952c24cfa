//! Both sides over real TCP sockets: a client made of bytes, and tungstenite's.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

mod breaches;
mod ends;
mod library;
mod messages;
mod pushes;
mod support;
