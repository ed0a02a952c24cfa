//! Callers that show an API key.

use std::net::IpAddr;

use async_trait::async_trait;
use time::OffsetDateTime;

use crate::domain::caller::Caller;

/// Why an API key is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefused {
    /// Not a key, or none that is good now: unknown, wrong, expired, revoked.
    #[error("the API key is not valid")]
    Invalid,
    /// Good, but not from this address.
    #[error("the API key must not be used from this address")]
    Address,
    /// It cannot be looked up at the moment.
    #[error("API keys cannot be checked at the moment")]
    Unavailable,
}

/// Finds out who shows an API key.
#[async_trait]
pub trait KeyAuthenticator: Send + Sync {
    /// The caller behind the key, who calls from `address`. Its tenant's state and revocations need no look here: the
    /// authenticator looks at them for every kind of credential.
    ///
    /// # Errors
    /// [`KeyRefused`].
    async fn caller(
        &self,
        presented: &str,
        address: Option<IpAddr>,
        now: OffsetDateTime,
    ) -> Result<Caller, KeyRefused>;
}
