//! Reading an error answer.

use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

use prost::DecodeError;
use tonic::{Code, Status, TimeoutExpired};
use tonic_types::StatusExt;

use super::failure::PLATFORM_DOMAIN;
use super::violations::FieldViolation;

/// A state that forbade a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Precondition {
    /// The kind of state: `ORDER_STATE`.
    pub kind: String,
    /// The id of what was in that state.
    pub subject: String,
    /// Why the call was refused.
    pub description: String,
}

/// What an error answer says, apart from its text.
#[derive(Debug, Clone)]
pub struct ErrorDetails {
    /// The code of the status.
    pub code: Code,
    /// The text for developers.
    pub message: String,
    /// The reason for programs; empty if the answer has no `ErrorInfo`.
    pub reason: String,
    /// Whose reason it is; empty if the answer has no `ErrorInfo`.
    pub domain: String,
    /// The variables of the message.
    pub metadata: HashMap<String, String>,
    /// The fields at fault.
    pub fields: Vec<FieldViolation>,
    /// The states that forbade the call.
    pub preconditions: Vec<Precondition>,
    /// When the same call may be tried again.
    pub retry_after: Option<Duration>,
}

impl ErrorDetails {
    /// Reads what `status` carries; what it does not carry, or carries malformed, is empty.
    ///
    /// When the deadline passes at the client's own end, tonic says `CANCELLED`; it is read as
    /// the `DEADLINE_EXCEEDED` that the server would have answered. An answer that cannot be read
    /// is `INTERNAL`, reason `MESSAGE_MALFORMED`.
    #[must_use]
    pub fn from_status(status: &Status) -> Self {
        if expired_here(status) {
            let message = "the deadline passed before an answer came; the outcome is unknown";
            return Self::made_here(Code::DeadlineExceeded, "DEADLINE_EXCEEDED", message);
        }
        if is_malformed(status) {
            return Self::made_here(status.code(), "MESSAGE_MALFORMED", status.message());
        }
        let details = status.get_error_details();
        let info = details.error_info();
        let fields = details.bad_request().map_or_else(Vec::new, |request| {
            let violations = request.field_violations.iter();
            violations
                .map(|violation| FieldViolation {
                    field: violation.field.clone(),
                    description: violation.description.clone(),
                })
                .collect()
        });
        let preconditions = details
            .precondition_failure()
            .map_or_else(Vec::new, |failure| {
                let violations = failure.violations.iter();
                violations
                    .map(|violation| Precondition {
                        kind: violation.r#type.clone(),
                        subject: violation.subject.clone(),
                        description: violation.description.clone(),
                    })
                    .collect()
            });
        Self {
            code: status.code(),
            message: status.message().to_owned(),
            reason: info.map(|info| info.reason.clone()).unwrap_or_default(),
            domain: info.map(|info| info.domain.clone()).unwrap_or_default(),
            metadata: info.map(|info| info.metadata.clone()).unwrap_or_default(),
            fields,
            preconditions,
            retry_after: details.retry_info().and_then(|info| info.retry_delay),
        }
    }

    /// What no server has said.
    fn made_here(code: Code, reason: &str, message: &str) -> Self {
        Self {
            code,
            message: message.to_owned(),
            reason: reason.to_owned(),
            domain: PLATFORM_DOMAIN.to_owned(),
            metadata: HashMap::new(),
            fields: Vec::new(),
            preconditions: Vec::new(),
            retry_after: None,
        }
    }
}

/// Whether a message could not be read at this end.
pub(crate) fn is_malformed(status: &Status) -> bool {
    let cause = status.source();
    cause.is_some_and(|cause| cause.is::<DecodeError>())
}

fn expired_here(status: &Status) -> bool {
    let mut cause = status.source();
    while let Some(error) = cause {
        if error.is::<TimeoutExpired>() {
            return status.code() == Code::Cancelled;
        }
        cause = error.source();
    }
    false
}
