//! The authorization server (RFC 6749 as narrowed by RFC 9700): who a client is, what a user lets
//! it do, and what it gets for that.

mod authorize;
mod inspect;
mod token;

pub use authorize::{Approved, AuthorizationWish};
pub use inspect::Introspection;
pub use token::{CodeShown, Issued as OAuthIssued, TokenWish};

use std::fmt;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use tradepost_types::TenantId;

use super::access_tokens::IssueError;
use super::directory::Directory;
use super::oauth_clients::hash_secret;
use super::sessions::{SessionError, Sessions};
use crate::domain::caller::Subject;
use crate::domain::oauth::{Client, ClientKind, OAuthError, is_client_secret};
use crate::domain::tenant::TenantState;
use crate::ports::credentials::{ClientStore, CodeStore};
use crate::ports::identity::{Author, StoreError};

/// Why OAuth says no, and what for developers to read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct OAuthFault {
    /// For programs.
    pub error: OAuthError,
    /// For developers.
    pub detail: String,
}

impl OAuthFault {
    /// An error that is said more exactly.
    #[must_use]
    pub fn new(error: OAuthError, detail: impl Into<String>) -> Self {
        Self {
            error,
            detail: detail.into(),
        }
    }
}

impl From<OAuthError> for OAuthFault {
    fn from(error: OAuthError) -> Self {
        Self::new(error, error.to_string())
    }
}

impl From<StoreError> for OAuthFault {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) | StoreError::Contended(_) => {
                OAuthError::TemporarilyUnavailable.into()
            }
            StoreError::Faulty(error) => {
                tracing::error!(event = "oauth.store_failed", %error, "a query failed");
                OAuthError::ServerError.into()
            }
        }
    }
}

impl From<IssueError> for OAuthFault {
    fn from(error: IssueError) -> Self {
        let error: &dyn std::error::Error = &error;
        tracing::error!(
            event = "oauth.issue_failed",
            error,
            "no token could be made"
        );
        OAuthError::TemporarilyUnavailable.into()
    }
}

impl From<SessionError> for OAuthFault {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Barred
            | SessionError::Invalid
            | SessionError::Reused
            | SessionError::Superseded => OAuthError::InvalidGrant.into(),
            SessionError::Issue(error) => error.into(),
            SessionError::Store(error) => error.into(),
            SessionError::Seal(error) => {
                tracing::error!(event = "oauth.seal_failed", %error, "a token cannot be sealed");
                OAuthError::ServerError.into()
            }
        }
    }
}

/// How a client shows who it is.
#[derive(Debug, Clone)]
pub struct ClientShown {
    /// Its id, as it says.
    pub id: String,
    /// Its secret, if it has one.
    pub secret: Option<SecretString>,
}

/// The authorization server.
pub struct OAuth {
    pub(super) clients: Arc<dyn ClientStore>,
    pub(super) codes: Arc<dyn CodeStore>,
    pub(super) sessions: Sessions,
    pub(super) directory: Arc<Directory>,
}

impl OAuth {
    /// The client that shows itself.
    ///
    /// # Errors
    /// [`OAuthError::InvalidClient`], whatever is wrong with it.
    pub async fn authenticate(&self, shown: &ClientShown) -> Result<Client, OAuthFault> {
        let refused = || OAuthFault::from(OAuthError::InvalidClient);
        let id = shown.id.parse().map_err(|_malformed| refused())?;
        // A mistyped secret is refused without asking.
        if shown
            .secret
            .as_ref()
            .is_some_and(|secret| !is_client_secret(secret))
        {
            return Err(refused());
        }
        let stored = self.clients.look_up(id).await?.ok_or_else(refused)?;
        let is_shown = match (stored.client.kind, stored.secret_hash, &shown.secret) {
            (ClientKind::Confidential, Some(hash), Some(secret)) => {
                let shown = hash_secret(&self.sessions.sealer, id, secret.expose_secret());
                bool::from(hash.ct_eq(&shown))
            }
            (ClientKind::Public, None, None) => true,
            (ClientKind::Confidential | ClientKind::Public, _, _) => false,
        };
        if !is_shown || !self.is_active(stored.client.tenant).await? {
            return Err(refused());
        }
        Ok(stored.client)
    }

    async fn is_active(&self, tenant: TenantId) -> Result<bool, StoreError> {
        let tenant = self.directory.tenant(tenant).await?;
        Ok(tenant.is_some_and(|tenant| tenant.state == TenantState::Active))
    }
}

impl fmt::Debug for OAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth").finish_non_exhaustive()
    }
}

/// The client as the author of what it does, from where `stranger` calls.
fn author(client: &Client, stranger: &Author) -> Author {
    Author {
        subject: Some(Subject::Client(client.id)),
        tenant: Some(client.tenant),
        ..stranger.clone()
    }
}
