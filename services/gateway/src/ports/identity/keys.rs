//! The keys that sign access tokens.

use async_trait::async_trait;
use time::{Duration, OffsetDateTime};

use super::{Author, StoreError};

/// A key as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// Its id: the thumbprint of its public part.
    pub kid: String,
    /// The name of its algorithm.
    pub algorithm: String,
    /// The private part, sealed.
    pub private_sealed: Vec<u8>,
    /// The public part, as a JWK.
    pub public_jwk: String,
    /// From when on everybody is told of it.
    pub publish_at: OffsetDateTime,
    /// From when on it signs.
    pub sign_from: OffsetDateTime,
    /// Until when it signs, once a next one is there.
    pub sign_until: Option<OffsetDateTime>,
    /// When what it signed is no longer taken.
    pub retire_at: Option<OffsetDateTime>,
}

/// A key to be stored.
#[derive(Debug, Clone)]
pub struct NewSigningKey {
    /// Its id.
    pub kid: String,
    /// The name of its algorithm.
    pub algorithm: String,
    /// The private part, sealed.
    pub private_sealed: Vec<u8>,
    /// The public part, as a JWK.
    pub public_jwk: String,
}

/// How one key takes the place of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// How long it is published before it signs: as long as others may keep the list of keys.
    pub lead: Duration,
    /// How long a key is published after it signed last: as long as a token lives.
    pub linger: Duration,
    /// Only if no key has begun to sign, or is to begin, within this time.
    pub only_after: Option<Duration>,
}

/// Keeps signing keys; the [feed](super::IdentityFeed) reads them.
#[async_trait]
pub trait KeyStore: Send + Sync {
    /// Stores the first key, unless there is one that signs; whether it was stored.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn add_first(&self, key: &NewSigningKey, author: &Author) -> Result<bool, StoreError>;

    /// Stores the next key and gives the others their end; whether it was stored.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn rotate(
        &self,
        key: &NewSigningKey,
        rotation: Rotation,
        author: &Author,
    ) -> Result<bool, StoreError>;
}
