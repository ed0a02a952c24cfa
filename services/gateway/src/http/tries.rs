//! What guards an account is tried a few times, not often: the gate cannot count it, since the
//! account stands in the body. A try is counted before it is made, and given back when it was right.

use std::net::IpAddr;
use std::time::Duration;

use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, HeaderName, StatusCode};

use super::problem::Problem;
use super::router::Gateway;
use crate::application::Hashed;
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
    /// What the answer says about the limit.
    headers: HeaderMap,
}

impl<'a> Try<'a> {
    /// Counts a try at an account.
    pub(super) async fn begin(
        gateway: &'a Gateway,
        kind: Strict,
        address: IpAddr,
        account: String,
    ) -> Result<Self, TooMany> {
        // Limits are counted in Redis, where nobody is to read who logs in.
        let account = account.trim().to_lowercase();
        let account = gateway
            .identity
            .sealer
            .hash(Hashed::Account, account.as_bytes());
        let account = hex::encode(account);
        let limits = &gateway.guards.limits;
        let decision = limits.strict(kind, address, &account).await;
        match decision.refused {
            Some(retry_after) => Err(TooMany {
                retry_after,
                headers: decision.headers,
            }),
            None => Ok(Self {
                gateway,
                kind,
                address,
                account,
            }),
        }
    }

    /// It was right.
    pub(super) async fn was_right(self) {
        let limits = &self.gateway.guards.limits;
        limits.forgive(self.kind, self.address, &self.account).await;
    }
}

impl From<TooMany> for Problem {
    fn from(too_many: TooMany) -> Self {
        let detail = "too many tries; see Retry-After";
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", detail)
            .retry_after(too_many.retry_after);
        // The problem says by itself when to come back.
        let headers = too_many.headers.iter();
        let others = headers.filter(|(name, _)| *name != RETRY_AFTER);
        others.fold(problem, |problem, (name, value)| {
            problem.with(HeaderName::clone(name), value.clone())
        })
    }
}
