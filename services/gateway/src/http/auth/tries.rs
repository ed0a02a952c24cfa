//! What guards an account is tried a few times, not often: the gate cannot count it, since the
//! account stands in the body.

use std::net::IpAddr;

use axum::http::{HeaderName, StatusCode};

use crate::domain::strict::Strict;
use crate::http::problem::Problem;
use crate::http::router::Gateway;

/// A try that was counted.
pub(super) struct Try<'a> {
    gateway: &'a Gateway,
    kind: Strict,
    address: IpAddr,
    account: String,
}

impl<'a> Try<'a> {
    /// Counts a try of an account.
    ///
    /// # Errors
    /// 429 when there were too many.
    pub(super) async fn begin(
        gateway: &'a Gateway,
        kind: Strict,
        address: IpAddr,
        account: String,
    ) -> Result<Self, Problem> {
        let limits = &gateway.guards.limits;
        let decision = limits.strict(kind, address, &account).await;
        let Some(delay) = decision.refused else {
            return Ok(Self {
                gateway,
                kind,
                address,
                account,
            });
        };
        let detail = "too many tries; see Retry-After";
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", detail);
        let headers = decision.headers.iter();
        let told = headers.fold(problem.retry_after(delay), |problem, (name, value)| {
            problem.with(HeaderName::clone(name), value.clone())
        });
        Err(told)
    }

    /// It was right: what was counted for the account is given back.
    pub(super) async fn was_right(self) {
        let limits = &self.gateway.guards.limits;
        limits.forgive(self.kind, self.address, &self.account).await;
    }
}
