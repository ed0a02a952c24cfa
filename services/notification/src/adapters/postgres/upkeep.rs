//! Partitions ahead of time, and what is past its age.

use async_trait::async_trait;
use sqlx::types::Uuid;
use time::Date;
use tradepost_postgres::DbError;

use super::PgNotifications;
use super::streams::{column, key};
use crate::ports::{StoreError, StreamKey, UpkeepStore};

// Nothing of what was told to them is kept.
const FORGET_MEMBERS: &str = "delete from members m
    using (select tenant_id, user_id, group_id, joined_after from members
           where left_at < date_trunc('month', $1::timestamp) at time zone 'UTC'
           limit $2
           for update skip locked) old
    where m.tenant_id = old.tenant_id and m.user_id = old.user_id
      and m.group_id = old.group_id and m.joined_after = old.joined_after";

// Nobody can read it any more. By key, so that a page costs what it holds.
const PASS_OVER: &str = "with old as materialized (
        select tenant_id, stream, max(seq) as upto
        from notifications
        where created_at < date_trunc('month', $1::timestamp) at time zone 'UTC'
          and (tenant_id, stream) > ($2, $3)
        group by tenant_id, stream
        order by tenant_id, stream
        limit $4),
    of_users as (
        update user_streams s
        set read_seq = least(old.upto, s.last_seq), read_tx = pg_current_xact_id()::text::bigint
        from old
        where old.stream like 'user:%' and s.tenant_id = old.tenant_id
          and s.user_id = substr(old.stream, 6) and s.read_seq < least(old.upto, s.last_seq)),
    of_groups as (
        update members m
        set read_seq = old.upto, read_tx = pg_current_xact_id()::text::bigint
        from old
        where old.stream like 'group:%' and m.tenant_id = old.tenant_id
          and m.group_id = substr(old.stream, 7) and m.left_at_seq is null
          and m.read_seq < old.upto)
    select tenant_id, stream from old order by tenant_id desc, stream desc limit 1";

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

    async fn pass_over(
        &self,
        kept_from: Date,
        after: Option<&StreamKey>,
        limit: i64,
    ) -> Result<Option<StreamKey>, StoreError> {
        let (tenant, stream) = after.map_or((Uuid::nil(), String::new()), |after| {
            (after.tenant.as_uuid(), column(&after.whose))
        });
        let mut tx = self.database.system_tx().await?;
        let last: Option<(Uuid, String)> = sqlx::query_as(PASS_OVER)
            .bind(kept_from)
            .bind(tenant)
            .bind(stream)
            .bind(limit)
            .fetch_optional(tx.conn())
            .await
            .map_err(DbError::from)?;
        tx.commit().await?;
        let last = last.map(|(tenant, stream)| key(tenant, &stream));
        Ok(last.transpose()?)
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
