//! Which tenants, members and keys there are.

use async_trait::async_trait;
use tradepost_types::{ApiKeyId, TenantId, UserId};

use super::Unavailable;
use crate::domain::rights::{Rights, Role};

/// A tenant as the gate needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Whether it may use the platform; one that is suspended may not.
    pub active: bool,
    /// The web origins whose pages may call for it.
    pub origins: Vec<String>,
}

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
    /// The tenant; `None` when there is none of this id.
    ///
    /// # Errors
    /// [`Unavailable`] when that cannot be known now.
    async fn tenant(&self, tenant: TenantId) -> Result<Option<Standing>, Unavailable>;

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
}
