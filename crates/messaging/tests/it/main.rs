//! Messaging against a real broker and a real database.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test a panic is the report"
)]

mod delivery;
mod failures;
mod faults;
mod housekeeping;
mod outbox;
mod pace;
mod plans;
mod support;
