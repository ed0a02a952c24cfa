//! Counts tries of what guards an account, before they are tried.

use std::net::IpAddr;

use super::gate::too_many;
use super::problem::Problem;
use super::router::Gateway;
use crate::domain::strict::Strict;

/// A try that was counted.
pub(super) struct Try<'a> {
    gateway: &'a Gateway,
    kind: Strict,
    address: IpAddr,
    account: String,
}

impl<'a> Try<'a> {
    /// Counts a try; 429 if it is one too many. `account` is what [`Strict`] says it is.
    pub(super) async fn count(
        gateway: &'a Gateway,
        kind: Strict,
        address: IpAddr,
        account: impl Into<String>,
    ) -> Result<Self, Problem> {
        let account = account.into();
        let limits = &gateway.guards.limits;
        let decision = limits.strict(kind, address, &account).await;
        if let Some(delay) = decision.refused {
            return Err(too_many(delay, decision.headers));
        }
        Ok(Self {
            gateway,
            kind,
            address,
            account,
        })
    }

    /// It was right: the account's earlier tries are forgotten.
    pub(super) async fn was_right(self) {
        let limits = &self.gateway.guards.limits;
        limits.forgive(self.kind, self.address, &self.account).await;
    }
}
