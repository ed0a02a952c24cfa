//! The audit trail on the real database.

mod appending;
mod log;
mod support;
