//! OAuth clients.

use async_trait::async_trait;
use time::OffsetDateTime;
use tradepost_types::{ClientId, TenantId};
use uuid::Uuid;

use super::CredentialError;
use crate::domain::oauth::Client;
use crate::domain::revocation::Revocation;
use crate::domain::rights::Rights;
use crate::ports::identity::{Author, Made, RequestKey, StoreError};

/// A client to be made.
#[derive(Debug, Clone)]
pub struct NewClient {
    /// The client; its time of making is the database's.
    pub client: Client,
    /// The hash of its secret, if it can keep one.
    pub secret_hash: Option<[u8; 32]>,
}

/// A client as one that shows itself is checked against.
#[derive(Debug, Clone)]
pub struct StoredClient {
    /// The client.
    pub client: Client,
    /// The hash of its secret.
    pub secret_hash: Option<[u8; 32]>,
}

/// Keeps OAuth clients.
#[async_trait]
pub trait ClientStore: Send + Sync {
    /// Makes a client.
    ///
    /// # Errors
    /// [`CredentialError::TooMany`], [`CredentialError::KeyReused`], [`CredentialError::Store`].
    async fn add(
        &self,
        new: &NewClient,
        request: &RequestKey,
        author: &Author,
    ) -> Result<Made<Client>, CredentialError>;

    /// The client with that id, of whatever tenant; not one that was removed.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn look_up(&self, id: ClientId) -> Result<Option<StoredClient>, StoreError>;

    /// A client of a tenant; not one that was removed.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn find(&self, tenant: TenantId, id: ClientId) -> Result<Option<Client>, StoreError>;

    /// The clients of a tenant behind `after`, by id; not those that were removed.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn list(
        &self,
        tenant: TenantId,
        after: Option<ClientId>,
        limit: i64,
    ) -> Result<Vec<Client>, StoreError>;

    /// Removes a client, and ends the sessions it has with users.
    ///
    /// # Errors
    /// [`CredentialError::NotFound`], [`CredentialError::Store`].
    async fn remove(
        &self,
        tenant: TenantId,
        id: ClientId,
        author: &Author,
    ) -> Result<Revocation, CredentialError>;

    /// Remembers that the client gets a token for itself; when that was, by the database's clock.
    /// `None` when it was removed since it was looked up.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn granted(
        &self,
        client: &Client,
        scope: Rights,
        author: &Author,
    ) -> Result<Option<OffsetDateTime>, StoreError>;

    /// Ends one access token of the client.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn revoke_token(
        &self,
        client: &Client,
        token: Uuid,
        author: &Author,
    ) -> Result<Revocation, StoreError>;
}
