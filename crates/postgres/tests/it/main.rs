//! The pool's hygiene, tenancy, migrations and idempotency keys against a real PostgreSQL.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test a panic is the report"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "a test's tasks end with its runtime"
)]

mod cancellation;
mod commit;
mod config;
mod errors;
mod idempotency;
mod migrations;
mod notes;
mod provisioning;
mod tenancy;
