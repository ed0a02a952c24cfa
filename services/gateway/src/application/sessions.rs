//! Sessions: opened by a login or an OAuth grant, kept alive by refresh tokens, ended by whoever
//! may.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use tradepost_types::{SessionId, TenantId, UserId};
use zeroize::Zeroizing;

use super::access_tokens::{AccessToken, AccessTokens, Grant, IssueError};
use super::revocations::Revocations;
use super::sealing::{Purpose, SealError, Sealer};
use crate::domain::rights::Rights;
use crate::domain::session::{Lifetimes, Session};
use crate::metrics::Metrics;
use crate::ports::identity::{
    Author, Claim, NewSession, OpenError, Opened, RefreshHash, Refreshed, SessionStore, StoreError,
    Successor, UserStore,
};

/// What every refresh token begins with, so that it is known for one wherever it is found.
const PREFIX: &str = "tpr_";
const SECRET_LEN: usize = 32;
/// The most sessions that a list shows.
const LIST_MAX: i64 = 100;

/// A session to be opened.
#[derive(Debug, Clone)]
pub struct Opening {
    /// Whose.
    pub user: UserId,
    /// In which tenant; none for a platform operator.
    pub tenant: Option<TenantId>,
    /// Through which client: [`FIRST_PARTY`](crate::domain::session::FIRST_PARTY) or an OAuth
    /// client's id.
    pub client: String,
    /// What it is narrowed to; none: all that the role has.
    pub scope: Option<Rights>,
    /// What it is opened on, in the client's words.
    pub device: String,
    /// Whether a second factor was shown for it.
    pub is_proved: bool,
}

/// What a client gets when a session is opened or refreshed.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The access token.
    pub access: AccessToken,
    /// The refresh token.
    pub refresh: SecretString,
    /// What both stand for.
    pub opened: Opened,
}

/// Why nothing was issued.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The user may not log in there any more.
    #[error("the user may not log in there")]
    Barred,
    /// The refresh token is no good: unknown, another client's, run out, or its session ended.
    #[error("the refresh token is not valid")]
    Invalid,
    /// The refresh token was used before; its session is ended now.
    #[error("the refresh token was used before, so its session was ended")]
    Reused,
    /// Several calls raced, and others have the successor.
    #[error("the refresh token was replaced by another call, whose answer counts")]
    Superseded,
    /// No token could be made.
    #[error("no token can be made")]
    Issue(#[from] IssueError),
    /// A successor cannot be sealed or opened.
    #[error("the next refresh token cannot be sealed")]
    Seal(#[from] SealError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Opens, refreshes and ends sessions. Cheap to clone.
#[derive(Clone)]
pub struct Sessions {
    /// Where they are kept.
    pub store: Arc<dyn SessionStore>,
    /// Where users are kept.
    pub users: Arc<dyn UserStore>,
    /// What makes access tokens.
    pub tokens: Arc<AccessTokens>,
    /// What learns of ended sessions.
    pub revocations: Arc<Revocations>,
    /// What seals successors.
    pub sealer: Arc<Sealer>,
    /// How long they live.
    pub lifetimes: Lifetimes,
    /// What counts.
    pub metrics: Metrics,
}

impl Sessions {
    /// Opens a session.
    ///
    /// # Errors
    /// [`SessionError::Barred`], `Issue`, `Seal` or `Store`.
    pub async fn open(&self, opening: Opening, author: &Author) -> Result<Issued, SessionError> {
        let refresh = generate()?;
        let new = NewSession {
            session: SessionId::new(),
            user: opening.user,
            tenant: opening.tenant,
            client: opening.client,
            scope: opening.scope,
            device: opening.device,
            is_proved: opening.is_proved,
            refresh: hash(&refresh),
            lifetimes: self.lifetimes,
        };
        let opened = self.store.open(&new, author).await;
        let opened = opened.map_err(|error| match error {
            OpenError::Barred => SessionError::Barred,
            OpenError::Store(error) => SessionError::Store(error),
        })?;
        self.issue(opened, refresh)
    }

    /// Takes a refresh token and gives the next.
    ///
    /// # Errors
    /// [`SessionError`], but never `Barred`.
    pub async fn refresh(
        &self,
        presented: &SecretString,
        client: &str,
        author: &Author,
    ) -> Result<Issued, SessionError> {
        let result = self.try_refresh(presented, client, author).await;
        self.metrics.refreshed(match &result {
            Ok((_, outcome)) => outcome,
            Err(SessionError::Invalid | SessionError::Barred) => "invalid",
            Err(SessionError::Reused) => "reused",
            Err(SessionError::Superseded) => "superseded",
            Err(SessionError::Issue(_) | SessionError::Seal(_) | SessionError::Store(_)) => "error",
        });
        result.map(|(issued, _)| issued)
    }

    async fn try_refresh(
        &self,
        presented: &SecretString,
        client: &str,
        author: &Author,
    ) -> Result<(Issued, &'static str), SessionError> {
        let (next, secret) = (generate()?, presented.expose_secret().as_bytes());
        let presented = hash(presented);
        let plain = next.expose_secret().as_bytes();
        let sealed =
            self.sealer
                .seal_with(Purpose::RefreshSuccessor, secret, &presented.0, plain)?;
        let successor = Successor {
            hash: hash(&next),
            sealed,
        };
        let claim = Claim {
            presented,
            client: client.to_owned(),
            successor,
            lifetimes: self.lifetimes,
        };
        let refreshed = self.store.refresh(&claim, author).await?;
        tradepost_crash::point("gateway.after_refresh");
        match refreshed {
            Refreshed::Claimed(opened) => Ok((self.issue(opened, next)?, "claimed")),
            Refreshed::Replayed(opened, sealed) => {
                let place = &presented.0;
                let plain =
                    self.sealer
                        .open_with(Purpose::RefreshSuccessor, secret, place, &sealed)?;
                let same = String::from_utf8_lossy(&plain).into_owned();
                Ok((self.issue(opened, same.into())?, "replayed"))
            }
            Refreshed::Superseded => Err(SessionError::Superseded),
            Refreshed::Reused(session, revoked) => {
                self.revocations.add(revoked);
                tracing::warn!(
                    event = "session.refresh_reuse",
                    session.id = %session,
                    "a refresh token was used twice; its session is ended"
                );
                Err(SessionError::Reused)
            }
            Refreshed::Invalid => Err(SessionError::Invalid),
        }
    }

    /// An access token that says that a second factor was shown now; the session remembers it.
    ///
    /// # Errors
    /// [`SessionError::Invalid`] when the session has ended; `Issue` or `Store`.
    pub async fn prove(
        &self,
        session: SessionId,
        author: &Author,
    ) -> Result<AccessToken, SessionError> {
        let standing = self.store.prove(session, author).await?;
        let standing = standing.ok_or(SessionError::Invalid)?;
        Ok(self.tokens.issue(&Grant::from(&standing))?)
    }

    /// The live sessions of a user, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(&self, user: UserId) -> Result<Vec<Session>, StoreError> {
        self.store.list(user, LIST_MAX).await
    }

    /// Ends one session of a user; whether there was such a one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn revoke(
        &self,
        user: UserId,
        session: SessionId,
        reason: &'static str,
        author: &Author,
    ) -> Result<bool, StoreError> {
        let revoked = self.store.revoke(user, session, reason, author).await?;
        self.revocations.add(revoked);
        Ok(revoked.is_some())
    }

    /// Ends all sessions of a user; whether there is such a one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn revoke_all(&self, user: UserId, author: &Author) -> Result<bool, StoreError> {
        let revoked = self.users.revoke_user(user, author).await?;
        self.revocations.add(revoked);
        Ok(revoked.is_some())
    }

    /// Ends the session of a refresh token of this client (RFC 7009); a token that is none is no
    /// error.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn revoke_by_token(
        &self,
        presented: &SecretString,
        client: &str,
        author: &Author,
    ) -> Result<(), StoreError> {
        let store = &self.store;
        let revoked = store.revoke_by_token(hash(presented), client, author).await;
        self.revocations.add(revoked?);
        Ok(())
    }

    fn issue(&self, opened: Opened, refresh: SecretString) -> Result<Issued, SessionError> {
        let access = self.tokens.issue(&Grant::from(&opened.standing))?;
        Ok(Issued {
            access,
            refresh,
            opened,
        })
    }
}

pub(super) fn generate() -> Result<SecretString, SealError> {
    let mut secret = Zeroizing::new([0; SECRET_LEN]);
    aws_lc_rs::rand::fill(secret.as_mut_slice()).map_err(|_unspecified| SealError::NotSealed)?;
    let text = URL_SAFE_NO_PAD.encode(secret.as_slice());
    Ok(format!("{PREFIX}{text}").into())
}

pub(super) fn hash(token: &SecretString) -> RefreshHash {
    RefreshHash(Sha256::digest(token.expose_secret()).into())
}
