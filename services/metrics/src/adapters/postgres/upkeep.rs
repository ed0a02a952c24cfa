//! Partitions ahead of time, and quarantine.

use async_trait::async_trait;
use time::Date;
use tradepost_postgres::DbError;

use super::PgAnalytics;
use crate::ports::{StoreError, UpkeepStore};

#[async_trait]
impl UpkeepStore for PgAnalytics {
    async fn prepare(&self, first: Date, last: Date) -> Result<u32, StoreError> {
        let mut tx = self.database.system_tx().await?;
        let made: i32 = sqlx::query_scalar("select events_prepare($1, $2)")
            .bind(first)
            .bind(last)
            .fetch_one(tx.conn())
            .await
            .map_err(DbError::from)?;
        tx.commit().await?;
        Ok(u32::try_from(made).unwrap_or_default())
    }

    async fn release(&self, limit: i64) -> Result<u64, StoreError> {
        let mut tx = self.database.system_tx().await?;
        let released = sqlx::query(include_str!("release.sql"))
            .bind(limit)
            .execute(tx.conn())
            .await
            .map_err(DbError::from)?;
        tx.commit().await?;
        Ok(released.rows_affected())
    }

    async fn quarantined(&self) -> Result<u64, StoreError> {
        let mut tx = self.database.system_tx().await?;
        let count: i64 = sqlx::query_scalar("select count(*) from quarantined_events")
            .fetch_one(tx.conn())
            .await
            .map_err(DbError::from)?;
        tx.commit().await?;
        Ok(u64::try_from(count).unwrap_or_default())
    }
}
