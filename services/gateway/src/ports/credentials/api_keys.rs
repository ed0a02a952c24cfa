//! API keys.

use async_trait::async_trait;
use time::OffsetDateTime;
use tradepost_types::{ApiKeyId, TenantId};

use super::CredentialError;
use crate::domain::api_key::{ApiKey, KeySecrets};
use crate::domain::revocation::Revocation;
use crate::ports::identity::{Author, Made, RequestKey, StoreError};

/// A key to be made.
#[derive(Debug, Clone)]
pub struct NewApiKey {
    /// The key; its time of making is the database's.
    pub key: ApiKey,
    /// The hash of its secret.
    pub secret_hash: [u8; 32],
}

/// A key as a caller who shows it is checked against.
#[derive(Debug, Clone)]
pub struct StoredApiKey {
    /// The key.
    pub key: ApiKey,
    /// The hashes of its secrets.
    pub secrets: KeySecrets,
}

/// A new secret for a key.
#[derive(Debug, Clone)]
pub struct Replacement {
    /// Of which tenant.
    pub tenant: TenantId,
    /// Which key.
    pub id: ApiKeyId,
    /// The hash of the new secret.
    pub secret_hash: [u8; 32],
    /// Until when the one it replaces goes on. One before that ends at once.
    pub previous_until: OffsetDateTime,
}

/// Keeps API keys.
#[async_trait]
pub trait ApiKeyStore: Send + Sync {
    /// Makes a key.
    ///
    /// # Errors
    /// [`CredentialError::TooMany`], [`CredentialError::KeyReused`], [`CredentialError::Store`].
    async fn add(
        &self,
        new: &NewApiKey,
        request: &RequestKey,
        author: &Author,
    ) -> Result<Made<ApiKey>, CredentialError>;

    /// The key with that id, of whatever tenant: what its caller may is yet to be found out.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn look_up(&self, id: ApiKeyId) -> Result<Option<StoredApiKey>, StoreError>;

    /// Remembers that the key was used now.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn used(&self, key: &ApiKey) -> Result<(), StoreError>;

    /// A key of a tenant, also a revoked one.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn find(&self, tenant: TenantId, id: ApiKeyId) -> Result<Option<ApiKey>, StoreError>;

    /// The keys of a tenant behind `after`, by id; revoked ones too.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn list(
        &self,
        tenant: TenantId,
        after: Option<ApiKeyId>,
        limit: i64,
    ) -> Result<Vec<ApiKey>, StoreError>;

    /// Gives a key a new secret.
    ///
    /// # Errors
    /// [`CredentialError::NotFound`], also for one that was revoked or has expired;
    /// [`CredentialError::KeyReused`], [`CredentialError::Store`].
    async fn replace_secret(
        &self,
        replacement: &Replacement,
        request: &RequestKey,
        author: &Author,
    ) -> Result<Made<ApiKey>, CredentialError>;

    /// Ends a key for good. Once more is no error.
    ///
    /// # Errors
    /// [`CredentialError::NotFound`], [`CredentialError::Store`].
    async fn revoke(
        &self,
        tenant: TenantId,
        id: ApiKeyId,
        author: &Author,
    ) -> Result<Revocation, CredentialError>;
}
