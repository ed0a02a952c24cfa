//! Who calls.

use std::net::IpAddr;

use async_trait::async_trait;
use axum::http::HeaderMap;
use tokio::sync::watch;

use super::Unavailable;
use crate::domain::caller::Verified;

/// Why credentials are not taken. No variant says more than the sender may know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// They are no good: wrong, expired, revoked, not ours.
    #[error("{detail}")]
    Invalid {
        /// For programs, `UPPER_SNAKE`.
        reason: &'static str,
        /// For developers.
        detail: String,
    },
    /// They cannot be read: two kinds at once, given twice, not what the header should hold.
    #[error("{detail}")]
    Malformed {
        /// For programs, `UPPER_SNAKE`.
        reason: &'static str,
        /// For developers.
        detail: String,
    },
    /// They are good, but the tenant they are of may not use the platform.
    #[error("the tenant is suspended")]
    Suspended,
    /// They cannot be checked at the moment.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Finds out who calls by the credentials in a request's headers.
#[async_trait]
pub trait Authenticate: Send + Sync {
    /// The caller from that address; `None` when there are no credentials at all.
    ///
    /// # Errors
    /// [`Refused`] for credentials that are there and not taken: they MUST NOT count as none.
    async fn verify(
        &self,
        headers: &HeaderMap,
        address: IpAddr,
    ) -> Result<Option<Verified>, Refused>;

    /// Who got this ticket. It is used up by this, whatever comes of it.
    ///
    /// # Errors
    /// [`Refused`].
    async fn redeem(&self, ticket: &str) -> Result<Verified, Refused>;

    /// Judges what was verified before, for connections that have nothing to show again.
    ///
    /// # Errors
    /// [`Refused`].
    async fn judge_again(&self, verified: &Verified) -> Result<(), Refused>;

    /// Wakes when something was revoked: whoever holds a connection open asks again then.
    fn changes(&self) -> watch::Receiver<u64>;
}
