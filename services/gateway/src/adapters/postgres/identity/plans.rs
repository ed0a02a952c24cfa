//! The plans that have to be told to others.

use async_trait::async_trait;
use sqlx::FromRow;
use tradepost_types::TenantId;
use uuid::Uuid;

use super::PgIdentity;
use super::rows::read;
use crate::ports::identity::{PlanStore, StoreError, UntoldPlan};

#[derive(FromRow)]
struct UntoldRow {
    tenant_id: Uuid,
    plan: String,
    plan_version: i64,
}

#[async_trait]
impl PlanStore for PgIdentity {
    async fn untold(
        &self,
        after: Option<TenantId>,
        limit: i64,
    ) -> Result<Vec<UntoldPlan>, StoreError> {
        let mut tx = self.database.system_tx().await?;
        // Told again after a day, also what has not changed: who listens may have lost it with a
        // disk.
        let rows: Vec<UntoldRow> = sqlx::query_as(
            "select tenant_id, plan, plan_version from tenants
             where (plan_told_version < plan_version or plan_told_at < now() - interval '1 day')
                 and ($1::uuid is null or tenant_id > $1)
             order by tenant_id
             limit $2",
        )
        .bind(after.map(TenantId::as_uuid))
        .bind(limit)
        .fetch_all(tx.conn())
        .await?;
        tx.rollback().await;
        let plans = rows.into_iter().map(|row| {
            let tenant = TenantId::from_uuid(row.tenant_id);
            Ok(UntoldPlan {
                tenant,
                plan: read(tenant, row.plan.parse())?,
                version: row.plan_version,
            })
        });
        plans.collect()
    }

    async fn told(&self, plan: &UntoldPlan) -> Result<(), StoreError> {
        let mut tx = self.database.system_tx().await?;
        sqlx::query(
            "update tenants
             set plan_told_version = greatest(plan_told_version, $2),
                 plan_told_at = clock_timestamp()
             where tenant_id = $1",
        )
        .bind(plan.tenant.as_uuid())
        .bind(plan.version)
        .execute(tx.conn())
        .await?;
        tx.commit().await?;
        Ok(())
    }
}
