//! The keys that sign access tokens: a next one is published before it signs, and the old one for
//! as long as its tokens live (4.4 of the notes, ADR 0024).

use std::sync::Arc;

use time::Duration;
use tokio_util::sync::CancellationToken;
use tradepost_token::{Algorithm, SigningKey};

use super::access_tokens::{KeyFault, generate_key, seal_key};
use super::sealing::Sealer;
use crate::ports::identity::{Author, KeyStore, NewSigningKey, Rotation, StoreError};

/// How often it is looked whether a key is due.
const INTERVAL: std::time::Duration = std::time::Duration::from_secs(600);
/// What the clocks of processes and their polls may be apart.
const SLACK: Duration = Duration::seconds(60);

/// Why there is no new key.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// It cannot be made.
    #[error(transparent)]
    Key(#[from] KeyFault),
    /// It cannot be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is, or was, one of ours.
    #[error("this key has been published already; make a new one")]
    Known,
}

/// Looks after signing keys.
#[derive(Clone)]
pub struct SigningKeys {
    /// Where they are kept.
    pub store: Arc<dyn KeyStore>,
    /// What seals them.
    pub sealer: Arc<Sealer>,
    /// Of which kind the next one is.
    pub algorithm: Algorithm,
    /// How long a key is published before it signs.
    pub lead: Duration,
    /// How long a token lives.
    pub access: Duration,
    /// How old a key gets; none: until a command.
    pub age_max: Option<Duration>,
}

impl SigningKeys {
    /// Makes the first key, unless there is one.
    ///
    /// # Errors
    /// [`RotateError`].
    pub async fn ensure(&self) -> Result<(), RotateError> {
        let key = generate_key(&self.sealer, self.algorithm)?;
        if self.store.add_first(&key, &Author::process()).await? {
            tracing::info!(
                event = "keys.created",
                key.id = key.kid,
                "the first key signs"
            );
        }
        Ok(())
    }

    /// Makes the next key; its id.
    ///
    /// # Errors
    /// [`RotateError`].
    pub async fn rotate(&self) -> Result<String, RotateError> {
        let key = generate_key(&self.sealer, self.algorithm)?;
        self.publish(key, self.in_turn(None)).await
    }

    /// Makes a key that was made elsewhere the next one; its id.
    ///
    /// # Errors
    /// [`RotateError`].
    pub async fn adopt(&self, key: &SigningKey) -> Result<String, RotateError> {
        let key = seal_key(&self.sealer, key)?;
        self.publish(key, self.in_turn(None)).await
    }

    fn in_turn(&self, only_after: Option<Duration>) -> Rotation {
        Rotation {
            lead: self.lead,
            linger: self.access + SLACK,
            only_after,
        }
    }

    /// Makes the next key and takes nothing any more that others have signed: for a key that is
    /// known to somebody. Everybody has to refresh.
    ///
    /// # Errors
    /// [`RotateError`].
    pub async fn replace_at_once(&self) -> Result<String, RotateError> {
        let rotation = Rotation {
            lead: Duration::ZERO,
            linger: Duration::ZERO,
            only_after: None,
        };
        let key = generate_key(&self.sealer, self.algorithm)?;
        self.publish(key, rotation).await
    }

    async fn publish(&self, key: NewSigningKey, rotation: Rotation) -> Result<String, RotateError> {
        match self.store(&key, rotation).await? {
            true => Ok(key.kid),
            false => Err(RotateError::Known),
        }
    }

    async fn store(&self, key: &NewSigningKey, rotation: Rotation) -> Result<bool, RotateError> {
        let stored = self.store.rotate(key, rotation, &Author::process()).await?;
        if stored {
            tracing::info!(
                event = "keys.rotated",
                key.id = key.kid,
                "the next key is published"
            );
        }
        Ok(stored)
    }

    async fn renew(&self, rotation: Rotation) -> Result<(), RotateError> {
        let key = generate_key(&self.sealer, self.algorithm)?;
        self.store(&key, rotation).await.map(|_stored_or_young| ())
    }

    /// Makes the next key whenever the present one is old, until shutdown.
    pub async fn run(self, shutdown: CancellationToken) {
        let Some(age_max) = self.age_max else { return };
        let rotation = self.in_turn(Some(age_max));
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(INTERVAL) => {}
            }
            if let Err(error) = self.renew(rotation).await {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(event = "keys.rotation_failed", error, "tried again later");
            }
        }
    }
}
