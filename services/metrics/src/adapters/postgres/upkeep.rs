//! Partitions ahead of time, quarantine, and what is past its age.

use async_trait::async_trait;
use time::Date;
use tradepost_postgres::DbError;
use uuid::Uuid;

use super::{PgAnalytics, versions};
use crate::ports::{StoreError, UpkeepStore};

// The bound is a midnight of UTC, as in `Kept::from_ms`.
const FORGET_MINUTES: &str = "delete from rollup_minutes r
    using (select tenant_id, start_time, type_id from rollup_minutes
           where start_time < (date_trunc('day', now() at time zone 'UTC')
                               - make_interval(days => $1)) at time zone 'UTC'
           limit $2) old
    where r.tenant_id = old.tenant_id and r.start_time = old.start_time and r.type_id = old.type_id
    returning r.tenant_id, (r.start_time at time zone 'UTC')::date";
const FORGET_HOURS: &str = "delete from rollup_hours r
    using (select tenant_id, start_time, type_id from rollup_hours
           where start_time < (date_trunc('day', now() at time zone 'UTC')
                               - make_interval(days => $1)) at time zone 'UTC'
           limit $2) old
    where r.tenant_id = old.tenant_id and r.start_time = old.start_time and r.type_id = old.type_id
    returning r.tenant_id, (r.start_time at time zone 'UTC')::date";

// Whatever could be in those batches is refused by its time.
const FORGET_PRODUCERS: &str = "delete from producers p
    using (select tenant_id, producer_id from producers
           where last_stored_at < now() - make_interval(days => $1)
           limit $2) old
    where p.tenant_id = old.tenant_id and p.producer_id = old.producer_id
      and p.last_stored_at < now() - make_interval(days => $1)";
/// By how far the clocks of nodes and database are taken to differ at most.
const CLOCKS_DAYS: u16 = 1;

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
        let days: Vec<Date> = sqlx::query_scalar(include_str!("release_days.sql"))
            .fetch_all(tx.conn())
            .await
            .map_err(DbError::from)?;
        let released = sqlx::query(include_str!("release.sql"))
            .bind(limit)
            .bind(days)
            .execute(tx.conn())
            .await
            .map_err(DbError::from)?;
        tx.commit().await?;
        Ok(released.rows_affected())
    }

    async fn forget(&self, limit: i64) -> Result<u64, StoreError> {
        let mut tx = self.database.system_tx().await?;
        let (kept, limits) = (self.limits.kept, self.limits);
        let mut forgotten = 0;
        for (statement, days) in [
            (include_str!("forget_batches.sql"), limits.ledger_kept_days),
            (
                FORGET_PRODUCERS,
                limits.history_days.saturating_add(CLOCKS_DAYS),
            ),
        ] {
            let gone = sqlx::query(statement)
                .bind(i32::from(days))
                .bind(limit)
                .execute(tx.conn())
                .await
                .map_err(DbError::from)?;
            forgotten += gone.rows_affected();
        }
        let mut changed = Vec::new();
        for (statement, days) in [
            (FORGET_MINUTES, kept.minutes_days),
            (FORGET_HOURS, kept.hours_days),
        ] {
            let gone: Vec<(Uuid, Date)> = sqlx::query_as(statement)
                .bind(i32::from(days))
                .bind(limit)
                .fetch_all(tx.conn())
                .await
                .map_err(DbError::from)?;
            changed.extend(gone);
        }
        forgotten += u64::try_from(changed.len()).unwrap_or_default();
        versions::change(tx.conn(), &changed.into_iter().collect()).await?;
        tx.commit().await?;
        Ok(forgotten)
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
