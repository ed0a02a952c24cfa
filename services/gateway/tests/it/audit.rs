//! The audit trail on the real database.

mod appending;
mod dying;
mod log;
mod reading;
mod retention;
mod support;
mod tampering;
