//! Every bad field of a request in one answer.

use tonic::{Code, Status};

use super::failure::Failure;
use super::faults::Faults;

/// One field of a request and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldViolation {
    /// The field's path, as the caller wrote it: `lines[3].quantity`.
    pub field: String,
    /// What is wanted, as the end of a sentence: `must be at least 1`.
    pub description: String,
}

/// Collects what is wrong with a request, so that the caller learns it all at once. Of very many
/// faults the answer names the first, and says how many more there are.
#[derive(Debug, Default, Clone)]
pub struct Violations {
    faults: Faults,
}

impl Violations {
    /// Nothing wrong yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            faults: Faults::none(),
        }
    }

    /// Notes a bad field.
    pub fn add(&mut self, field: impl Into<String>, description: impl Into<String>) {
        self.faults.push(FieldViolation {
            field: field.into(),
            description: description.into(),
        });
    }

    /// Takes the value of a parsed field, or notes the error and gives `None`.
    pub fn take<T, E: std::fmt::Display>(
        &mut self,
        field: impl Into<String>,
        parsed: Result<T, E>,
    ) -> Option<T> {
        parsed
            .map_err(|error| self.add(field, error.to_string()))
            .ok()
    }

    /// Notes what is wrong with a request id, if anything.
    pub fn request_id(&mut self, request_id: &str) {
        if let Some(fault) = crate::request_id::fault(request_id) {
            self.add("request_id", fault);
        }
    }

    /// Whether all is well so far.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }

    /// Ends the collection.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` with reason `INVALID_FIELD` that names the bad fields.
    pub fn check(self, domain: &'static str) -> Result<(), Status> {
        if self.faults.is_empty() {
            return Ok(());
        }
        Err(self.into_failure(domain).into())
    }

    /// The answer, for callers that already know that something is wrong.
    pub fn into_failure(self, domain: &'static str) -> Failure {
        let message = self.faults.told();
        Failure::new(Code::InvalidArgument, "INVALID_FIELD", domain, message).faults(self.faults)
    }
}
