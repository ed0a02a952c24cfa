//! Authorization codes.

use async_trait::async_trait;
use time::OffsetDateTime;
use tradepost_types::{ClientId, SessionId, TenantId, UserId};

use crate::domain::oauth::CodeFault;
use crate::domain::pkce::Challenge;
use crate::domain::revocation::Revocation;
use crate::domain::rights::Rights;
use crate::domain::session::Lifetimes;
use crate::ports::identity::{Author, OpenError, Opened, RefreshHash, StoreError};

/// A code to be given to a client.
#[derive(Debug, Clone)]
pub struct NewCode {
    /// Its hash.
    pub hash: [u8; 32],
    /// Of which tenant the client and the user are.
    pub tenant: TenantId,
    /// Which client redeems it.
    pub client: ClientId,
    /// For whom it will act.
    pub user: UserId,
    /// The login in which they agreed; the code ends with it.
    pub session: SessionId,
    /// Where the user is sent with it.
    pub redirect_uri: String,
    /// What the client has to show.
    pub challenge: Challenge,
    /// What the client may do for the user.
    pub scope: Rights,
    /// When the user last showed a second factor.
    pub proof_at: Option<OffsetDateTime>,
}

/// A code that is presented, and the session it is redeemed for.
#[derive(Debug, Clone)]
pub struct Redeeming {
    /// The code's hash.
    pub hash: [u8; 32],
    /// Of which tenant the client is.
    pub tenant: TenantId,
    /// The client that presents it.
    pub client: ClientId,
    /// Where it says the user was sent.
    pub redirect_uri: String,
    /// What it shows.
    pub verifier: String,
    /// The id the session will have.
    pub session: SessionId,
    /// The session's first refresh token.
    pub refresh: RefreshHash,
    /// How long it lives.
    pub lifetimes: Lifetimes,
}

/// A code that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redeemed {
    /// The session that was opened.
    pub opened: Opened,
}

/// Why a code was not taken.
#[derive(Debug, thiserror::Error)]
pub enum RedeemError {
    /// There is no such code.
    #[error("there is no such code")]
    Unknown,
    /// It is not good, or not for this client.
    #[error(transparent)]
    Fault(#[from] CodeFault),
    /// It had been used: what it gave is ended by this.
    #[error("the code was used before")]
    Reused(Option<Revocation>),
    /// The user may no longer log in there.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Keeps authorization codes.
#[async_trait]
pub trait CodeStore: Send + Sync {
    /// Keeps a code for its minute.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn add(&self, new: &NewCode, author: &Author) -> Result<(), StoreError>;

    /// Takes a code and opens its session, both or neither. A second use ends that session.
    ///
    /// # Errors
    /// [`RedeemError`].
    async fn redeem(&self, redeeming: &Redeeming, author: &Author)
    -> Result<Redeemed, RedeemError>;
}
