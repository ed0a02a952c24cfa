//! How much is too much.

use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use axum::http::HeaderMap;

use crate::domain::caller::Caller;
use crate::domain::strict::Strict;

/// Whether a request is within its limits.
#[derive(Debug, Clone, Default)]
pub struct Decision {
    /// When to come back; `None` for a request that is within.
    pub refused: Option<Duration>,
    /// What the answer says about the limits.
    pub headers: HeaderMap,
}

/// Counts requests. It never fails: when it cannot know, it decides by what it knows itself.
#[async_trait]
pub trait Limits: Send + Sync {
    /// Counts a request of an address, before anything else is known of it.
    async fn address(&self, address: IpAddr) -> Decision;

    /// Counts a request of a caller, worth `cost` requests.
    async fn identity(&self, caller: &Caller, cost: u32) -> Decision;

    /// Counts a try of what guards an account, before it is tried. `account` is what [`Strict`]
    /// says it is; it is kept as a hash only. Refuses whatever else may be switched off.
    async fn strict(&self, kind: Strict, address: IpAddr, account: &str) -> Decision;

    /// The try was right: gives the account back what was counted for it.
    async fn forgive(&self, kind: Strict, address: IpAddr, account: &str);
}
