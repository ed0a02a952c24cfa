//! What callers are told when credentials are not managed, checked or changed.

use axum::http::StatusCode;

use super::caller::denied;
use super::problem::Problem;
use crate::application::{ChangeError, ManageFault};
use crate::domain::access::{Denial, STEP_UP_AGE_MAX};
use crate::domain::api_key::ScopeFault;
use crate::ports::FactorError;
use crate::ports::credentials::CredentialError;

impl From<ManageFault> for Problem {
    fn from(error: ManageFault) -> Self {
        match error {
            ManageFault::NotAPerson => denied(&Denial::NotAPerson),
            ManageFault::Scope(fault @ ScopeFault::BeyondMaker) => Self::new(
                StatusCode::FORBIDDEN,
                "SCOPE_BEYOND_RIGHTS",
                fault.to_string(),
            )
            .pointer("/scope".to_owned(), "must hold none but your own rights"),
            ManageFault::Scope(fault @ (ScopeFault::Empty | ScopeFault::NotForPrograms)) => {
                invalid_field("scope", &fault.to_string())
            }
            ManageFault::Field { field, fault } => invalid_field(field, &fault),
            ManageFault::Credential(error) => error.into(),
        }
    }
}

impl From<CredentialError> for Problem {
    fn from(error: CredentialError) -> Self {
        let (status, reason) = match error {
            CredentialError::NotFound => (StatusCode::NOT_FOUND, "CREDENTIAL_NOT_FOUND"),
            CredentialError::TooMany => (StatusCode::CONFLICT, "CREDENTIALS_TOO_MANY"),
            CredentialError::KeyReused => (StatusCode::UNPROCESSABLE_ENTITY, "REQUEST_ID_REUSED"),
            CredentialError::Store(error) => return error.into(),
        };
        Self::new(status, reason, error.to_string())
    }
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::NotAPerson => denied(&Denial::NotAPerson),
            ChangeError::StepUp => denied(&Denial::StepUp).challenge(&format!(
                "Bearer realm=\"tradepost\", error=\"insufficient_user_authentication\", \
                 max_age={}",
                STEP_UP_AGE_MAX.as_secs()
            )),
            ChangeError::Enrolled => {
                Self::new(StatusCode::CONFLICT, "MFA_ENROLLED", error.to_string())
            }
            ChangeError::Absent => {
                Self::new(StatusCode::CONFLICT, "MFA_NOT_ENROLLED", error.to_string())
            }
            ChangeError::Factor(FactorError::Invalid) => {
                Self::new(StatusCode::FORBIDDEN, "CODE_INVALID", error.to_string())
            }
            ChangeError::Factor(FactorError::TooMany(pause)) => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "CODES_PAUSED",
                error.to_string(),
            )
            .retry_after(pause.unsigned_abs()),
            ChangeError::Factor(FactorError::Store(error)) => error.into(),
            ChangeError::Seal(error) => {
                tracing::error!(event = "mfa.seal_failed", %error, "a secret cannot be opened");
                internal()
            }
        }
    }
}

fn invalid_field(field: &str, fault: &str) -> Problem {
    let detail = format!("/{field} {fault}");
    Problem::new(StatusCode::BAD_REQUEST, "INVALID_FIELD", detail)
        .pointer(format!("/{field}"), fault)
}

fn internal() -> Problem {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    Problem::new(status, "INTERNAL", "internal error")
}
