//! Second factors.

use async_trait::async_trait;
use time::{Duration, OffsetDateTime};
use tradepost_types::UserId;

use crate::domain::totp::Step;
use crate::ports::identity::{Author, StoreError};

/// A user's second factor, as it is at a guess.
#[derive(Debug, Clone)]
pub struct Factor {
    /// The secret, sealed.
    pub secret_sealed: Vec<u8>,
    /// Since when it is asked for.
    pub confirmed_at: Option<OffsetDateTime>,
    /// The step of the last code that was taken.
    pub last_step: Option<Step>,
    /// The time now, by the database's clock.
    pub now: OffsetDateTime,
}

/// What came of wishing to guess. The guess is counted before it is looked at, so that as many as
/// like may come at once.
#[derive(Debug, Clone)]
pub enum Guessing {
    /// It was counted: look whether it is right.
    Counted(Factor),
    /// There were too many: nothing is looked at before so much time has gone by.
    Paused(Duration),
    /// The user has no second factor.
    Absent,
}

/// What a guess turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Used {
    /// The code of this step.
    Code(Step),
    /// The recovery code with this hash.
    Recovery([u8; 32]),
}

/// A factor whose first code was right.
#[derive(Debug, Clone)]
pub struct Confirmed {
    /// The secret the code is of, as it was sealed.
    pub secret_sealed: Vec<u8>,
    /// The code's step.
    pub step: Step,
    /// The hashes of its recovery codes.
    pub recovery: Vec<[u8; 32]>,
}

/// Why no factor was set up.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// There is one already; it has to be removed first.
    #[error("there is a second factor already")]
    Enrolled,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Keeps second factors.
#[async_trait]
pub trait FactorStore: Send + Sync {
    /// Whether the user has a factor that is asked for.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn is_enrolled(&self, user: UserId) -> Result<bool, StoreError>;

    /// Keeps a secret that is yet to be confirmed, in place of another such.
    ///
    /// # Errors
    /// [`EnrolError`].
    async fn enrol(
        &self,
        user: UserId,
        secret_sealed: &[u8],
        author: &Author,
    ) -> Result<(), EnrolError>;

    /// Counts a guess.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn guess(&self, user: UserId) -> Result<Guessing, StoreError>;

    /// Remembers a wrong guess in the audit trail.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn wrong(&self, user: UserId, author: &Author) -> Result<(), StoreError>;

    /// Uses up what was guessed right, once: `false` when another was faster, or it was used.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn right(&self, user: UserId, used: Used, author: &Author) -> Result<bool, StoreError>;

    /// Asks for the factor from now on: its first code was right. Its recovery codes go with it.
    /// `false` when it is no longer the one that was guessed at, or another was faster.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn confirm(
        &self,
        user: UserId,
        confirmed: &Confirmed,
        author: &Author,
    ) -> Result<bool, StoreError>;

    /// Puts new recovery codes in place of all there are; `false` when there is no factor.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn replace_recovery(
        &self,
        user: UserId,
        recovery: &[[u8; 32]],
        author: &Author,
    ) -> Result<bool, StoreError>;

    /// Removes the factor and its recovery codes; `false` when there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn remove(&self, user: UserId, author: &Author) -> Result<bool, StoreError>;
}
