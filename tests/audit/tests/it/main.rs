//! The auditor against databases of the real schemas: a little shop is clean, and each planted
//! fault is caught and named by its invariant.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

mod counted;
mod faults;
mod notified;
mod order;
mod shop;
mod uncheckable;
