//! One use case a file.

mod audit_log;

pub use audit_log::{AuditLimits, AuditLog, AuditUnavailable};
