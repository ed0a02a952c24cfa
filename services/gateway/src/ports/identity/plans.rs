//! The plans that have to be told to others.

use async_trait::async_trait;
use tradepost_types::TenantId;

use super::StoreError;
use crate::domain::caller::Plan;

/// A plan that was not told since it changed, or not for a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UntoldPlan {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub plan: Plan,
    /// How often it changed, from 1: the order of the changes.
    pub version: i64,
}

/// Knows which plans were told.
#[async_trait]
pub trait PlanStore: Send + Sync {
    /// The first of the plans behind `after` that have to be told, by tenant: at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn untold(
        &self,
        after: Option<TenantId>,
        limit: i64,
    ) -> Result<Vec<UntoldPlan>, StoreError>;

    /// Remembers that this version of a tenant's plan was told. One that has changed since stays
    /// untold.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn told(&self, plan: &UntoldPlan) -> Result<(), StoreError>;
}
