//! Messaging against a real broker and a real database.

mod delivery;
mod failures;
mod faults;
mod outbox;
mod support;
