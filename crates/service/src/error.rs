//! Errors as callers see them: a code, one reason for programs, details, and no internals.
//!
//! [`Failure`] and [`Violations`] write a `tonic::Status`; [`ErrorDetails`] reads one, for
//! clients and the gateway.

mod code;
mod failure;
mod faults;
mod reading;
mod violations;

pub use code::code_name;
pub use failure::{Failure, PLATFORM_DOMAIN};
pub(crate) use reading::is_malformed;
pub use reading::{ErrorDetails, Precondition};
pub use violations::{FieldViolation, Violations};
