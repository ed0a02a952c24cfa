//! Which tenants, members and keys there are.

use async_trait::async_trait;
use tradepost_types::{ApiKeyId, TenantId, UserId};

use super::Unavailable;
use crate::domain::rights::{Rights, Role};

/// A key as the explanation of a denial needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// What its program is in the tenant.
    pub role: Role,
    /// What it is narrowed to.
    pub scope: Rights,
}

/// Knows tenants, members and keys; the gate asks about tenants with every request, so that MUST
/// be answered from memory.
#[async_trait]
pub trait Directory: Send + Sync {
    /// Whether a tenant may use the platform: one that is suspended, or is not there, may not.
    ///
    /// # Errors
    /// [`Unavailable`] when that cannot be known now.
    async fn is_active(&self, tenant: TenantId) -> Result<bool, Unavailable>;

    /// Whether pages of an origin may call for a tenant. Compares byte by byte.
    ///
    /// # Errors
    /// [`Unavailable`] when that cannot be known now.
    async fn allows_origin(&self, tenant: TenantId, origin: &str) -> Result<bool, Unavailable>;

    /// What a user is in a tenant; `None` when they are no member of it.
    ///
    /// # Errors
    /// [`Unavailable`] when that cannot be known now.
    async fn member(&self, tenant: TenantId, user: UserId) -> Result<Option<Role>, Unavailable>;

    /// A key of a tenant; `None` when it is none of its keys, or no longer good.
    ///
    /// # Errors
    /// [`Unavailable`] when that cannot be known now.
    async fn key(&self, tenant: TenantId, key: ApiKeyId) -> Result<Option<Key>, Unavailable>;

    /// Whether a user has a second factor.
    ///
    /// # Errors
    /// [`Unavailable`] when that cannot be known now.
    async fn has_second_factor(&self, user: UserId) -> Result<bool, Unavailable>;
}
