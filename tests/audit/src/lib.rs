//! The auditor: checks every invariant of a Tradepost system from outside, by reading the services'
//! databases and the card provider's own log.
//!
//! It shares no code with the services under test. It reads; it never writes. What it could not
//! look at is an error, never a clean report.

mod audit;
mod check;
mod checks;
mod findings;
mod rest;
mod snapshot;
mod targets;
mod world;

pub use audit::{CannotAudit, audit};
pub use check::Service;
pub use findings::{Finding, Findings, Found, Offender, Verdict};
pub use targets::{DatabaseName, NotADatabaseName, Targets};
