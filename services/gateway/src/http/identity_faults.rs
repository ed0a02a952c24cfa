//! What identity refuses, in the terms of HTTP.

use std::time::Duration;

use axum::http::StatusCode;

use super::problem::Problem;
use crate::application::{HashError, LoginError, ManageError, SessionError, UserError};
use crate::domain::membership::RoleFault;
use crate::ports::identity::{MemberError, StoreError, TenantError};

const RETRY_AFTER: Duration = Duration::from_secs(1);

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let cause: &dyn std::error::Error = &error;
        match &error {
            StoreError::Unavailable(_) | StoreError::Contended(_) => {
                tracing::warn!(
                    event = "identity.store_unavailable",
                    error = cause,
                    "no answer"
                );
                let detail = "identity is not available at the moment";
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "IDENTITY_UNAVAILABLE",
                    detail,
                )
                .retry_after(RETRY_AFTER)
            }
            StoreError::Faulty(_) => internal(cause),
        }
    }
}

impl From<HashError> for Problem {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Overloaded => {
                let detail = "too many passwords are being checked; try again later";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "OVERLOADED", detail)
                    .retry_after(RETRY_AFTER)
            }
            HashError::Failed => internal(&error),
        }
    }
}

impl From<SessionError> for Problem {
    fn from(error: SessionError) -> Self {
        let unauthorized = |reason| Self::new(StatusCode::UNAUTHORIZED, reason, error.to_string());
        match error {
            SessionError::Barred => unauthorized("LOGIN_FAILED"),
            SessionError::Invalid => unauthorized("REFRESH_INVALID"),
            SessionError::Reused => unauthorized("REFRESH_REUSED"),
            SessionError::Superseded => Self::new(
                StatusCode::CONFLICT,
                "REFRESH_SUPERSEDED",
                error.to_string(),
            ),
            SessionError::Store(error) => error.into(),
            SessionError::Issue(_) | SessionError::Seal(_) => internal(&error),
        }
    }
}

impl From<LoginError> for Problem {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Failed => Self::new(
                StatusCode::UNAUTHORIZED,
                "LOGIN_FAILED",
                "the login failed: the address, the password or the code is wrong",
            ),
            LoginError::FactorRequired => Self::new(
                StatusCode::UNAUTHORIZED,
                "MFA_REQUIRED",
                "a second factor is needed: send code or recovery_code too",
            ),
            LoginError::Paused(pause) => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "CODES_PAUSED",
                "too many codes were wrong; see Retry-After",
            )
            .retry_after(pause.unsigned_abs()),
            LoginError::TenantRequired(memberships) => {
                let detail = "you are a member of several tenants: send tenant_id too";
                let problem = Self::new(StatusCode::CONFLICT, "TENANT_REQUIRED", detail)
                    .pointer("/tenant_id".to_owned(), "is required");
                memberships.iter().fold(problem, |problem, one| {
                    problem.choice(one.tenant.id.to_string(), one.tenant.name.as_str())
                })
            }
            LoginError::Suspended => Self::new(
                StatusCode::FORBIDDEN,
                "TENANT_SUSPENDED",
                "the tenant is suspended",
            ),
            LoginError::Hash(error) => error.into(),
            LoginError::Session(error) => error.into(),
            LoginError::Store(error) => error.into(),
        }
    }
}

impl From<UserError> for Problem {
    fn from(error: UserError) -> Self {
        let forbidden = |reason| Self::new(StatusCode::FORBIDDEN, reason, error.to_string());
        match error {
            UserError::NoTenant | UserError::NoUser => forbidden("PERMISSION_DENIED"),
            UserError::WrongPassword => {
                Self::new(StatusCode::FORBIDDEN, "PASSWORD_WRONG", error.to_string())
                    .pointer("/current_password".to_owned(), "is wrong")
            }
            UserError::Password(fault) => Self::field("/password", &fault.to_string()),
            UserError::Hash(error) => error.into(),
            UserError::Member(error) => error.into(),
        }
    }
}

impl From<MemberError> for Problem {
    fn from(error: MemberError) -> Self {
        let text = error.to_string();
        match error {
            MemberError::NotFound => Self::new(StatusCode::NOT_FOUND, "USER_NOT_FOUND", text),
            MemberError::EmailTaken => Self::new(StatusCode::CONFLICT, "EMAIL_TAKEN", text)
                .pointer("/email".to_owned(), "belongs to a user already"),
            MemberError::KeyReused => key_reused(),
            MemberError::Rule(RoleFault::LastOwner) => {
                Self::new(StatusCode::CONFLICT, "LAST_OWNER", text)
            }
            MemberError::Rule(RoleFault::AboveOwn) => {
                Self::new(StatusCode::FORBIDDEN, "ROLE_ABOVE_OWN", text)
            }
            MemberError::Rule(RoleFault::Own) => {
                Self::new(StatusCode::FORBIDDEN, "ROLE_IS_OWN", text)
            }
            MemberError::Rule(RoleFault::NotOfTenants) => Self::field("/role", &text),
            MemberError::Store(error) => error.into(),
        }
    }
}

impl From<ManageError> for Problem {
    fn from(error: ManageError) -> Self {
        let tenant = match error {
            ManageError::Password(fault) => {
                return Self::field("/owner_password", &fault.to_string());
            }
            ManageError::Hash(error) => return error.into(),
            ManageError::Tenant(error) => error,
        };
        let text = tenant.to_string();
        match tenant {
            TenantError::NotFound => Self::new(StatusCode::NOT_FOUND, "TENANT_NOT_FOUND", text),
            TenantError::OwnerThere => Self::new(StatusCode::CONFLICT, "EMAIL_TAKEN", text)
                .pointer(
                    "/owner_password".to_owned(),
                    "must be left out: the user keeps theirs",
                ),
            TenantError::OwnerMissing => {
                Self::field("/owner_password", "is required: the owner is no user yet")
            }
            TenantError::KeyReused => key_reused(),
            TenantError::Store(error) => error.into(),
        }
    }
}

fn key_reused() -> Problem {
    let detail = "the Idempotency-Key was used for another request";
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "REQUEST_ID_REUSED",
        detail,
    )
    .header("Idempotency-Key", "was used for another request")
}

fn internal(cause: &(dyn std::error::Error + 'static)) -> Problem {
    tracing::error!(event = "identity.failed", error = cause, "a fault of ours");
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "INTERNAL",
        "internal error",
    )
}
