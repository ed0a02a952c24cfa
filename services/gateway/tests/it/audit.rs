//! The audit trail on the real database.

mod appending;
mod support;
