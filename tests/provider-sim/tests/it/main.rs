//! The simulator seen from outside: over HTTP, through its log and as a receiver of its webhooks.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "clippy allows these in tests, but does not see that their helpers are tests too"
)]

mod api;
mod disputes;
mod faults;
mod idempotency;
mod support;
mod webhooks;
mod witness;
