//! The second factor of a login.

use async_trait::async_trait;
use secrecy::SecretString;
use tradepost_types::UserId;

use super::identity::{Author, StoreError};

/// What is shown as a second factor.
#[derive(Debug, Clone)]
pub enum Shown {
    /// The code of the moment.
    Code(SecretString),
    /// One of the codes that were written down.
    RecoveryCode(SecretString),
}

/// Why a second factor is not taken.
#[derive(Debug, thiserror::Error)]
pub enum FactorError {
    /// It is wrong, or was used already.
    #[error("the second factor is not valid")]
    Invalid,
    /// There were too many wrong ones: it was not looked at, and none is before so much time has
    /// gone by.
    #[error("too many codes were wrong; wait")]
    TooMany(time::Duration),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Knows and checks second factors.
#[async_trait]
pub trait SecondFactor: Send + Sync {
    /// Whether the user has one, so that a login needs it.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn is_needed(&self, user: UserId) -> Result<bool, StoreError>;

    /// Takes it: what works once is used up by it.
    ///
    /// # Errors
    /// [`FactorError`].
    async fn take(&self, user: UserId, shown: &Shown, author: &Author) -> Result<(), FactorError>;
}
