//! Who calls, for handlers.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;

use super::problem::Problem;
use super::router::Shared;
use crate::domain::access::{self, Denial, Layer};
use crate::domain::caller::Caller;
use crate::domain::revocation::Basis;
use crate::domain::rights::{Permission, Reach};

/// The caller, as the gate has verified them.
pub(super) struct By(pub(super) Arc<Caller>);

impl FromRequestParts<Shared> for By {
    type Rejection = Problem;

    /// Fails on a route that is public: there is no caller, and its handler must not ask for one.
    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Arc<Caller>>().cloned();
        caller.map(Self).ok_or_else(nobody)
    }
}

fn nobody() -> Problem {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    Problem::new(status, "INTERNAL", "internal error")
}

/// What the caller's credentials rest on, as the gate has found out.
pub(super) struct Resting(pub(super) Basis);

impl FromRequestParts<Shared> for Resting {
    type Rejection = Problem;

    /// Fails on a route that is public, as [`By`] does.
    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Problem> {
        let basis = parts.extensions.get::<Basis>().copied();
        basis.map(Self).ok_or_else(nobody)
    }
}

/// The customer that the caller's orders belong to, when they reach only their own.
pub(super) fn own_reference(caller: &Caller) -> Option<String> {
    match caller.reach() {
        Reach::Tenant => None,
        Reach::Own => Some(caller.subject.to_string()),
    }
}

/// Fails when the caller lacks a permission that a part of the request needs.
pub(super) fn need(caller: &Caller, permission: Permission) -> Result<(), Problem> {
    access::has(caller, permission).map_err(|denial| denied(&denial))
}

/// The answer to a call that is denied.
pub(super) fn denied(denial: &Denial) -> Problem {
    let detail = match denial {
        Denial::NotAPerson => {
            "this is for people in a login of their own, not for programs".to_owned()
        }
        Denial::Missing { permission, layer } => {
            let place = match layer {
                Layer::Role => "your role does not have it",
                Layer::TokenScope => "your role has it, the scope of your token does not",
                Layer::KeyScope => "your role has it, the scope of your key does not",
            };
            format!("the permission {permission} is missing: {place}")
        }
        Denial::OnlyOwn => {
            "this shows things of the whole tenant, and you reach only your own".to_owned()
        }
        Denial::StepUp => {
            let seconds = access::STEP_UP_AGE_MAX.as_secs();
            let detail =
                format!("a second factor shown within the last {seconds} seconds is needed");
            return Problem::new(StatusCode::UNAUTHORIZED, reason(denial), detail);
        }
    };
    Problem::new(StatusCode::FORBIDDEN, reason(denial), detail)
}

/// The reason of a denial, for programs.
pub(super) const fn reason(denial: &Denial) -> &'static str {
    match denial {
        Denial::NotAPerson | Denial::Missing { .. } | Denial::OnlyOwn => "PERMISSION_DENIED",
        Denial::StepUp => "STEP_UP_REQUIRED",
    }
}
