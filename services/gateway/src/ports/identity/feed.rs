//! What every process must know without asking: what was revoked, which tenants there are, and
//! which keys sign.

use async_trait::async_trait;
use time::OffsetDateTime;

use super::{StoreError, StoredKey};
use crate::domain::revocation::Revocation;
use crate::domain::tenant::Tenant;

/// What is, or what has changed lately.
#[derive(Debug, Clone)]
pub struct Feed {
    /// The time by the database's clock.
    pub now: OffsetDateTime,
    /// When reading began, by that clock: what had happened by then is in it.
    pub began_at: OffsetDateTime,
    /// Revocations.
    pub revocations: Vec<Revocation>,
    /// Tenants.
    pub tenants: Vec<Tenant>,
    /// All signing keys that are not yet retired.
    pub keys: Vec<StoredKey>,
}

/// Reads it.
#[async_trait]
pub trait IdentityFeed: Send + Sync {
    /// All that is in force.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn whole(&self) -> Result<Feed, StoreError>;

    /// What has changed within the last half minute. A change becomes visible when its transaction
    /// commits, which is later than the time it bears: hence the overlap.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn recent(&self) -> Result<Feed, StoreError>;
}
