//! Writing an error answer.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::faults::{Faults, cut};
use super::violations::FieldViolation;

/// The domain of reasons that belong to no service: `INTERNAL`, `OVERLOADED`, `TENANT_MISSING`.
pub const PLATFORM_DOMAIN: &str = "tradepost";

/// The longest message, in bytes.
const MESSAGE_BYTES_MAX: usize = 1_024;
/// The variable that says how many fields are at fault, where not all are named.
const FAULTS: &str = "faults";

/// An error answer in the making; it always carries exactly one `ErrorInfo`.
#[derive(Debug, Clone)]
#[must_use = "a failure does nothing until it is turned into a status"]
pub struct Failure {
    code: Code,
    reason: &'static str,
    domain: &'static str,
    message: String,
    metadata: HashMap<String, String>,
    faults: Faults,
    preconditions: Vec<(String, String, String)>,
    retry_after: Option<Duration>,
}

impl Failure {
    /// `reason` is `UPPER_SNAKE` and part of the interface; `domain` is like `order.tradepost`;
    /// `message` is for developers and holds no internals.
    pub fn new(
        code: Code,
        reason: &'static str,
        domain: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            code,
            reason,
            domain,
            message: message.into(),
            metadata: HashMap::new(),
            faults: Faults::none(),
            preconditions: Vec::new(),
            retry_after: None,
        }
    }

    /// An answer that says nothing of `cause`: the cause and its sources are logged here, and the
    /// answer carries the trace id by which the log line is found.
    pub fn internal(cause: &(dyn Error + 'static)) -> Self {
        tracing::error!(
            event = "rpc.internal_error",
            error = cause,
            "a call failed inside"
        );
        Self::internal_unlogged()
    }

    /// As [`Failure::internal`], for what has been logged elsewhere.
    pub(crate) fn internal_unlogged() -> Self {
        let failure = Self::new(
            Code::Internal,
            "INTERNAL",
            PLATFORM_DOMAIN,
            "internal error",
        );
        match tradepost_telemetry::current_trace_id() {
            Some(trace_id) => failure.metadata("trace_id", trace_id),
            None => failure,
        }
    }

    /// Adds a variable of the message, so that programs need not parse the text.
    pub fn metadata(mut self, key: impl Into<String>, value: impl fmt::Display) -> Self {
        self.metadata.insert(key.into(), value.to_string());
        self
    }

    /// Names a field of the request that is at fault; of very many only the first are named, and
    /// the others counted.
    pub fn field(mut self, field: impl Into<String>, description: impl Into<String>) -> Self {
        self.faults.push(FieldViolation {
            field: field.into(),
            description: description.into(),
        });
        self
    }

    /// Names several fields at once.
    pub(super) fn faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    /// Names a state that forbids the call: its kind (`ORDER_STATE`), the subject's id, and why.
    pub fn precondition(
        mut self,
        kind: impl Into<String>,
        subject: impl Into<String>,
        description: impl Into<String>,
    ) -> Self {
        self.preconditions
            .push((kind.into(), subject.into(), description.into()));
        self
    }

    /// Says that the same call may succeed after `delay`.
    pub const fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// The code of the answer.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.code
    }

    /// The reason for programs.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        self.reason
    }
}

impl From<Failure> for Status {
    fn from(mut failure: Failure) -> Self {
        if let Some(total) = failure.faults.total_beyond_named() {
            failure
                .metadata
                .insert(FAULTS.to_owned(), total.to_string());
        }
        cut(&mut failure.message, MESSAGE_BYTES_MAX);
        let mut details =
            ErrorDetails::with_error_info(failure.reason, failure.domain, failure.metadata);
        for violation in failure.faults.into_named() {
            details.add_bad_request_violation(violation.field, violation.description);
        }
        for (kind, subject, description) in failure.preconditions {
            details.add_precondition_failure_violation(kind, subject, description);
        }
        if failure.retry_after.is_some() {
            details.set_retry_info(failure.retry_after);
        }
        Self::with_error_details(failure.code, failure.message, details)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.reason, self.code, self.message)
    }
}

impl Error for Failure {}
