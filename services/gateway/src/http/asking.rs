//! The services as a handler asks them: in the name of the caller, no longer than they wait.

use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use tokio::time::Instant;

use super::caller::By;
use super::edge::Traced;
use super::prefer::Prefer;
use super::problem::Problem;
use super::router::Shared;
use crate::upstream::Services;

/// Nobody who wants an answer wants it sooner.
const WAIT_MIN: Duration = Duration::from_secs(1);

/// The services, for whoever calls.
pub(super) struct Asking(pub(super) Services);

/// The services, for whoever calls, also for the platform and of no tenant.
pub(super) struct AskingForPlatform(pub(super) Services);

impl FromRequestParts<Shared> for AskingForPlatform {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gateway: &Shared) -> Result<Self, Problem> {
        let By(caller) = By::from_request_parts(parts, gateway).await?;
        let until = until(parts);
        let upstreams = &gateway.upstreams;
        Ok(Self(upstreams.speaking_for(&caller, caller.tenant, until)))
    }
}

impl FromRequestParts<Shared> for Asking {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gateway: &Shared) -> Result<Self, Problem> {
        let By(caller) = By::from_request_parts(parts, gateway).await?;
        if caller.tenant.is_none() {
            let detail = "you belong to no tenant, so there is nothing to see or do here";
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "PERMISSION_DENIED",
                detail,
            ));
        }
        let until = until(parts);
        let upstreams = &gateway.upstreams;
        Ok(Self(upstreams.speaking_for(&caller, caller.tenant, until)))
    }
}

/// When the caller stops waiting, if they said so.
fn until(parts: &Parts) -> Option<Instant> {
    let begun = parts.extensions.get::<Traced>().map(|traced| traced.since);
    let wait = Prefer::of(&parts.headers).wait();
    wait.map(|wait| begun.unwrap_or_else(Instant::now) + wait.max(WAIT_MIN))
}
