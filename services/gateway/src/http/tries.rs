//! Tries at what guards an account: counted before they are made, given back when they were right.

use std::net::IpAddr;
use std::time::Duration;

use axum::http::StatusCode;

use super::problem::Problem;
use super::router::Gateway;
use crate::domain::strict::Strict;

/// A try that is counted.
pub(super) struct Try<'a> {
    gateway: &'a Gateway,
    kind: Strict,
    address: IpAddr,
    account: String,
}

/// There were too many.
pub(super) struct TooMany {
    /// When to come back.
    pub(super) retry_after: Duration,
}

impl<'a> Try<'a> {
    /// Counts a try at an account.
    pub(super) async fn count(
        gateway: &'a Gateway,
        kind: Strict,
        address: IpAddr,
        account: String,
    ) -> Result<Self, TooMany> {
        let limits = &gateway.guards.limits;
        match limits.strict(kind, address, &account).await.refused {
            Some(retry_after) => Err(TooMany { retry_after }),
            None => Ok(Self {
                gateway,
                kind,
                address,
                account,
            }),
        }
    }

    /// It was right.
    pub(super) async fn succeeded(self) {
        let limits = &self.gateway.guards.limits;
        limits.forgive(self.kind, self.address, &self.account).await;
    }
}

impl From<TooMany> for Problem {
    fn from(too_many: TooMany) -> Self {
        let detail = "too many tries; see Retry-After";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", detail)
            .retry_after(too_many.retry_after)
    }
}
