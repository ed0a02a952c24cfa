//! Sessions and their refresh tokens.

use async_trait::async_trait;
use time::OffsetDateTime;
use tradepost_types::{SessionId, TenantId, UserId};

use super::{Author, StoreError};
use crate::domain::revocation::Revocation;
use crate::domain::rights::Rights;
use crate::domain::session::{Lifetimes, Session, Standing};

/// SHA-256 of a refresh token: all that is kept of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RefreshHash(pub [u8; 32]);

/// A session to be opened.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Its id.
    pub session: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// In which tenant; none for a platform operator.
    pub tenant: Option<TenantId>,
    /// Through which client.
    pub client: String,
    /// What it is narrowed to; none: all that the role has.
    pub scope: Option<Rights>,
    /// What it is opened on, in the client's words.
    pub device: String,
    /// Whether a second factor was shown for it.
    pub is_proved: bool,
    /// Its first refresh token.
    pub refresh: RefreshHash,
    /// How long it lives.
    pub lifetimes: Lifetimes,
}

/// A session that was opened or refreshed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// What an access token says of it.
    pub standing: Standing,
    /// When its refresh token runs out.
    pub refresh_expires_at: OffsetDateTime,
}

/// Why no session was opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The user is disabled, no member any more, or the tenant is suspended: since the look that
    /// the login took.
    #[error("the user may not log in there")]
    Barred,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What will take the place of a refresh token.
#[derive(Debug, Clone)]
pub struct Successor {
    /// Its hash.
    pub hash: RefreshHash,
    /// The token itself, sealed under a key derived from the one before it.
    pub sealed: Vec<u8>,
}

/// A refresh token that is presented, and what will take its place if it is good.
#[derive(Debug, Clone)]
pub struct Claim {
    /// What is presented.
    pub presented: RefreshHash,
    /// The client that presents it.
    pub client: String,
    /// What will take its place.
    pub successor: Successor,
    /// How long it lives.
    pub lifetimes: Lifetimes,
}

/// What came of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refreshed {
    /// The successor that was offered took its place.
    Claimed(Opened),
    /// An earlier claim had won: this is the successor it offered, as it was sealed.
    Replayed(Opened, Vec<u8>),
    /// An earlier claim had won and was repeated too often.
    Superseded,
    /// It had been used before: the session is ended by this.
    Reused(SessionId, Option<Revocation>),
    /// No such token, one of another client, or one that ran out or whose session ended.
    Invalid,
}

/// A login that failed.
#[derive(Debug, Clone)]
pub struct LoginFailure {
    /// The user, once their password was right: until then it is anybody's guess.
    pub user: Option<UserId>,
    /// Why, for the audit trail only.
    pub reason: &'static str,
}

/// Keeps sessions and refresh tokens.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Opens a session, if its user still may.
    ///
    /// # Errors
    /// [`OpenError`].
    async fn open(&self, new: &NewSession, author: &Author) -> Result<Opened, OpenError>;

    /// Claims a refresh token: atomically, once.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn refresh(&self, claim: &Claim, author: &Author) -> Result<Refreshed, StoreError>;

    /// Remembers that a second factor was shown now; `None` when the session has ended.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn prove(
        &self,
        session: SessionId,
        author: &Author,
    ) -> Result<Option<Standing>, StoreError>;

    /// The live sessions of a user, newest first; at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn list(&self, user: UserId, limit: i64) -> Result<Vec<Session>, StoreError>;

    /// Ends one session of a user; `None` when the user has no such live session.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn revoke(
        &self,
        user: UserId,
        session: SessionId,
        reason: &'static str,
        author: &Author,
    ) -> Result<Option<Revocation>, StoreError>;

    /// Ends one session, whosever it is; `None` when there is no such live session.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn revoke_any(
        &self,
        session: SessionId,
        reason: &'static str,
        author: &Author,
    ) -> Result<Option<Revocation>, StoreError>;

    /// Ends the session that a refresh token of this client belongs to (RFC 7009); `None` when
    /// there is no such token.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn revoke_by_token(
        &self,
        presented: RefreshHash,
        client: &str,
        author: &Author,
    ) -> Result<Option<Revocation>, StoreError>;

    /// Ends every session there is.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn revoke_everything(&self, author: &Author) -> Result<Revocation, StoreError>;

    /// Remembers a failed login in the audit trail.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn login_failed(&self, failure: &LoginFailure, author: &Author)
    -> Result<(), StoreError>;

    /// Forgets what ran out long ago; how much that was.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn sweep(&self) -> Result<u64, StoreError>;
}
