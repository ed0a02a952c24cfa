//! Who has to know which plan a tenant is on, and cannot read it here.

use async_trait::async_trait;
use tradepost_types::TenantId;

use crate::domain::caller::Plan;

/// Why a tenant's plan was not told. What it says is for operators.
#[derive(Debug, thiserror::Error)]
pub enum Untold {
    /// Nobody is told anything at present, or it is not known whether they were.
    #[error("nobody listens: {0}")]
    Unreachable(String),
    /// This tenant is not taken, whatever becomes of the others.
    #[error("refused: {0}")]
    Refused(String),
}

/// One who keeps plans of tenants.
#[async_trait]
pub trait PlanListener: Send + Sync {
    /// Tells of a plan. The highest version of a tenant counts, so that calls may come twice, late
    /// and in any order.
    ///
    /// # Errors
    /// [`Untold`].
    async fn tell(&self, tenant: TenantId, plan: Plan, version: i64) -> Result<(), Untold>;
}
