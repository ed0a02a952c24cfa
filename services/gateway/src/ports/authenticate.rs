//! Who calls.

use std::net::IpAddr;

use async_trait::async_trait;
use axum::http::HeaderMap;
use tokio::sync::watch;

use super::Unavailable;
use crate::domain::caller::Caller;

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
    /// The caller, who calls from `address`; `None` when there are no credentials at all.
    ///
    /// # Errors
    /// [`Refused`] for credentials that are there and not taken: they MUST NOT count as none.
    async fn caller(&self, headers: &HeaderMap, address: IpAddr)
    -> Result<Option<Caller>, Refused>;

    /// Wakes when something was revoked: whoever holds a connection open asks again then.
    fn changes(&self) -> watch::Receiver<u64>;
}
