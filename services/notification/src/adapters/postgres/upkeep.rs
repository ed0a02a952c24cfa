//! Partitions ahead of time, and what is past its age.

use async_trait::async_trait;
use time::Date;
use tradepost_postgres::DbError;

use super::PgNotifications;
use crate::ports::{StoreError, UpkeepStore};

// Nothing of what was told to them is kept.
const FORGET_MEMBERS: &str = "delete from members m
    using (select tenant_id, user_id, group_id, joined_after from members
           where left_at < date_trunc('month', $1::timestamp) at time zone 'UTC'
           limit $2
           for update skip locked) old
    where m.tenant_id = old.tenant_id and m.user_id = old.user_id
      and m.group_id = old.group_id and m.joined_after = old.joined_after";

#[async_trait]
impl UpkeepStore for PgNotifications {
    async fn prepare(&self, first: Date, last: Date) -> Result<u32, StoreError> {
        let mut tx = self.database.system_tx().await?;
        let made: i32 = sqlx::query_scalar("select notifications_prepare($1, $2)")
            .bind(first)
            .bind(last)
            .fetch_one(tx.conn())
            .await
            .map_err(DbError::from)?;
        tx.commit().await?;
        Ok(u32::try_from(made).unwrap_or_default())
    }

    async fn forget(&self, kept_from: Date) -> Result<Option<Date>, StoreError> {
        let mut tx = self.database.system_tx().await?;
        let forgotten = sqlx::query_scalar("select notifications_forget($1)")
            .bind(kept_from)
            .fetch_one(tx.conn())
            .await
            .map_err(DbError::from)?;
        tx.commit().await?;
        Ok(forgotten)
    }

    async fn forget_members(&self, kept_from: Date, limit: i64) -> Result<u64, StoreError> {
        let mut tx = self.database.system_tx().await?;
        let forgotten = sqlx::query(FORGET_MEMBERS)
            .bind(kept_from)
            .bind(limit)
            .execute(tx.conn())
            .await
            .map_err(DbError::from)?;
        tx.commit().await?;
        Ok(forgotten.rows_affected())
    }
}
