//! Tenants, for those who run the platform.

use async_trait::async_trait;
use tradepost_types::{TenantId, UserId};

use super::{Author, Made, RequestKey, StoreError};
use crate::domain::caller::Plan;
use crate::domain::email::Email;
use crate::domain::revocation::Revocation;
use crate::domain::tenant::{Features, Origin, Tenant, TenantName, TenantState};

/// A tenant to be made, with its first owner.
#[derive(Debug, Clone)]
pub struct NewTenant {
    /// The id it will have.
    pub tenant: TenantId,
    /// What it is called.
    pub name: TenantName,
    /// What it has paid for.
    pub plan: Plan,
    /// The address of its owner: of a user who is there, or one to be made.
    pub owner_email: Email,
    /// The id that the owner will have if they are to be made.
    pub owner: UserId,
    /// The hash of the first password of an owner to be made; one who is there keeps theirs.
    pub owner_password_hash: Option<String>,
}

/// A change of a tenant; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct TenantChange {
    /// What it is called.
    pub name: Option<TenantName>,
    /// What it has paid for.
    pub plan: Option<Plan>,
    /// All feature flags.
    pub features: Option<Features>,
    /// All origins.
    pub cors_origins: Option<Vec<Origin>>,
}

/// Why nothing was done about a tenant.
#[derive(Debug, thiserror::Error)]
pub enum TenantError {
    /// There is no such tenant.
    #[error("there is no such tenant")]
    NotFound,
    /// A password was given for an owner who is there already.
    #[error("the owner's address belongs to a user already")]
    OwnerThere,
    /// No password was given for an owner who is not there.
    #[error("the owner is no user yet and needs a password")]
    OwnerMissing,
    /// The key was used for another request.
    #[error("the key was used for another request")]
    KeyReused,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Keeps tenants.
#[async_trait]
pub trait TenantStore: Send + Sync {
    /// Makes a tenant and its owner.
    ///
    /// # Errors
    /// [`TenantError`], but never `NotFound`.
    async fn add(
        &self,
        new: &NewTenant,
        key: &RequestKey,
        author: &Author,
    ) -> Result<Made<Tenant>, TenantError>;

    /// One tenant.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn find(&self, tenant: TenantId) -> Result<Option<Tenant>, StoreError>;

    /// The tenants behind `after`, by id.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn list(&self, after: Option<TenantId>, limit: i64) -> Result<Vec<Tenant>, StoreError>;

    /// Changes a tenant.
    ///
    /// # Errors
    /// [`TenantError::NotFound`], [`TenantError::Store`].
    async fn change(
        &self,
        tenant: TenantId,
        change: &TenantChange,
        author: &Author,
    ) -> Result<Tenant, TenantError>;

    /// Suspends or resumes a tenant. Suspending ends nothing: what is refused then is taken again
    /// when it is resumed.
    ///
    /// # Errors
    /// [`TenantError::NotFound`], [`TenantError::Store`].
    async fn set_state(
        &self,
        tenant: TenantId,
        state: TenantState,
        author: &Author,
    ) -> Result<Tenant, TenantError>;

    /// Ends all sessions in a tenant.
    ///
    /// # Errors
    /// [`TenantError::NotFound`], [`TenantError::Store`].
    async fn revoke(&self, tenant: TenantId, author: &Author) -> Result<Revocation, TenantError>;
}
