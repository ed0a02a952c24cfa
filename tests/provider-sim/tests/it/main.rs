//! The simulator seen from outside: over HTTP, through its log and as a receiver of its webhooks.

mod api;
mod faults;
mod idempotency;
mod support;
mod webhooks;
mod witness;
