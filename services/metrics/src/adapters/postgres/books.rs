//! Raw events against rollups, and rollups from raw events.

use async_trait::async_trait;
use futures::TryStreamExt;
use sqlx::{AssertSqlSafe, Executor, PgConnection};
use time::{Date, OffsetDateTime};
use tradepost_postgres::DbError;
use tradepost_types::TenantId;
use uuid::Uuid;

use super::PgAnalytics;
use super::raw::STAY;
use super::rollups::{self, ROWS_A_STATEMENT, RollupRow, table};
use super::store::hash;
use super::times::millis;
use super::versions::{self, Changed};
use crate::domain::{Grain, Kept};
use crate::ports::{BookStore, Rebuilt, StoreError, TenantDay};
use crate::rollup::{Folding, Key, Rollup, Rollups};

/// A day may be long to read, and the books are kept by operators who wait.
const PATIENCE: &str = "set local statement_timeout = 0;
    set local idle_in_transaction_session_timeout = 0;
    set local lock_timeout = '30s'";

#[async_trait]
impl BookStore for PgAnalytics {
    async fn sample(
        &self,
        limit: i64,
        tenant: Option<TenantId>,
        day: Option<Date>,
    ) -> Result<Vec<(TenantId, Date)>, StoreError> {
        let mut tx = self.database.system_tx().await?;
        tx.conn().execute(PATIENCE).await.map_err(DbError::from)?;
        let days: Vec<(Uuid, Date)> = sqlx::query_as(include_str!("sample_days.sql"))
            .bind(tenant.map(TenantId::as_uuid))
            .bind(day)
            .bind(limit)
            .fetch_all(tx.conn())
            .await
            .map_err(DbError::from)?;
        tx.commit().await?;
        let named = |(tenant, day)| (TenantId::from_uuid(tenant), day);
        Ok(days.into_iter().map(named).collect())
    }

    async fn tenant_day(
        &self,
        tenant: TenantId,
        day: Date,
    ) -> Result<Option<TenantDay>, StoreError> {
        let mut tx = self.database.system_tx().await?;
        // What is stored meanwhile must be in both or in neither.
        let one_moment = "set transaction isolation level repeatable read, read only";
        for first in [one_moment, PATIENCE, STAY] {
            tx.conn().execute(first).await.map_err(DbError::from)?;
        }
        let seen = if is_here(tx.conn(), day).await? {
            Some(see(tx.conn(), tenant, Span::of(day), self.limits.kept).await?)
        } else {
            None
        };
        tx.commit().await?;
        Ok(seen)
    }

    async fn rebuild(&self, day: Date, tenant: Option<TenantId>) -> Result<Rebuilt, StoreError> {
        let mut tx = self.database.system_tx().await?;
        let rebuilt = rebuild(tx.conn(), day, tenant, self.limits.kept).await?;
        tx.commit().await?;
        Ok(rebuilt)
    }
}

/// A day of UTC.
#[derive(Clone, Copy)]
struct Span {
    start: OffsetDateTime,
    end: OffsetDateTime,
}

impl Span {
    fn of(day: Date) -> Self {
        let start = day.midnight().assume_utc();
        Self {
            start,
            end: start.saturating_add(time::Duration::DAY),
        }
    }
}

/// Whether the raw events of a day are in the tables that are folded.
async fn is_here(conn: &mut PgConnection, day: Date) -> Result<bool, DbError> {
    let is_here = sqlx::query_scalar("select exists (select from event_days where day = $1)")
        .bind(day)
        .fetch_one(conn)
        .await?;
    Ok(is_here)
}

/// The grains that are kept for this day.
async fn grains_of(conn: &mut PgConnection, span: Span, kept: Kept) -> Result<Vec<Grain>, DbError> {
    let now: OffsetDateTime = sqlx::query_scalar("select now()").fetch_one(conn).await?;
    let is_kept = |grain: &Grain| millis(span.start) >= kept.from_ms(*grain, millis(now));
    Ok(Grain::COARSEST_FIRST.into_iter().filter(is_kept).collect())
}

async fn see(
    conn: &mut PgConnection,
    tenant: TenantId,
    span: Span,
    kept: Kept,
) -> Result<TenantDay, DbError> {
    let (mut raw, _) = fold(conn, tenant, span).await?;
    let grains = grains_of(conn, span, kept).await?;
    let mut rollups = Rollups::default();
    for grain in Grain::COARSEST_FIRST {
        if grains.contains(&grain) {
            *rollups.of_mut(grain) = read(conn, grain, tenant, span).await?;
        } else {
            raw.of_mut(grain).clear();
        }
    }
    Ok(TenantDay { raw, kept: rollups })
}

type RawRow = (OffsetDateTime, i16, f64, String);

/// What the raw events of a tenant's day add up to, and how many there are.
async fn fold(
    conn: &mut PgConnection,
    tenant: TenantId,
    span: Span,
) -> Result<(Rollups, u64), DbError> {
    let mut rows = sqlx::query_as::<_, RawRow>(
        "select event_time, type_id, value, user_id from events
         where tenant_id = $1 and event_time >= $2 and event_time < $3
         union all
         select event_time, type_id, value, user_id from quarantined_events
         where tenant_id = $1 and event_time >= $2 and event_time < $3",
    )
    .persistent(false)
    .bind(tenant.as_uuid())
    .bind(span.start)
    .bind(span.end)
    .fetch(conn);
    let (mut folding, mut events) = (Folding::default(), 0);
    while let Some((at, type_id, value, user)) = rows.try_next().await? {
        folding.add(tenant, type_id, millis(at), (value, hash(&user)));
        events += 1;
    }
    Ok((folding.finish(), events))
}

async fn read(
    conn: &mut PgConnection,
    grain: Grain,
    tenant: TenantId,
    span: Span,
) -> Result<Vec<(Key, Rollup)>, DbError> {
    let table = table(grain);
    let rows: Vec<RollupRow> = sqlx::query_as(AssertSqlSafe(format!(
        "select tenant_id, start_time, type_id, n, sum, sum_of_squares, min, max, users, sketch
         from {table} where tenant_id = $1 and start_time >= $2 and start_time < $3
         order by start_time, type_id"
    )))
    .persistent(false)
    .bind(tenant.as_uuid())
    .bind(span.start)
    .bind(span.end)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(RollupRow::parse).collect()
}

/// Writes anew, tenant by tenant in one transaction. The day's row is locked first: whoever stores
/// events of the day holds it, so all that is committed is seen, and what comes later is added to
/// what is written here.
async fn rebuild(
    conn: &mut PgConnection,
    day: Date,
    tenant: Option<TenantId>,
    kept: Kept,
) -> Result<Rebuilt, DbError> {
    conn.execute(PATIENCE).await?;
    let held: Option<Date> =
        sqlx::query_scalar("select day from event_days where day = $1 for update")
            .bind(day)
            .fetch_optional(&mut *conn)
            .await?;
    if held.is_none() {
        return Ok(Rebuilt::NoRaw);
    }
    // An event that found no partition may be on its way into quarantine while the day gets one.
    conn.execute("lock table quarantined_events in share mode")
        .await?;
    let tenants = match tenant {
        Some(tenant) => vec![tenant],
        None => tenants(conn).await?,
    };
    let span = Span::of(day);
    let grains = grains_of(conn, span, kept).await?;
    let (mut rebuilt, mut events) = (0, 0);
    let mut changed = Changed::default();
    for tenant in tenants {
        let (raw, folded) = fold(conn, tenant, span).await?;
        for &grain in &grains {
            replace(conn, grain, (tenant, span), raw.of(grain)).await?;
        }
        rebuilt += u64::from(folded > 0);
        events += folded;
        changed.add(tenant, day);
    }
    versions::change(conn, &changed).await?;
    Ok(Rebuilt::Done {
        tenants: rebuilt,
        events,
    })
}

async fn tenants(conn: &mut PgConnection) -> Result<Vec<TenantId>, DbError> {
    let ids: Vec<Uuid> = sqlx::query_scalar("select tenant_id from tenants order by tenant_id")
        .fetch_all(conn)
        .await?;
    Ok(ids.into_iter().map(TenantId::from_uuid).collect())
}

/// Puts these rollups into the place of a tenant's day.
async fn replace(
    conn: &mut PgConnection,
    grain: Grain,
    (tenant, span): (TenantId, Span),
    rollups: &[(Key, Rollup)],
) -> Result<(), DbError> {
    let table = table(grain);
    sqlx::query(AssertSqlSafe(format!(
        "delete from {table} where tenant_id = $1 and start_time >= $2 and start_time < $3"
    )))
    .persistent(false)
    .bind(tenant.as_uuid())
    .bind(span.start)
    .bind(span.end)
    .execute(&mut *conn)
    .await?;
    for some in rollups.chunks(ROWS_A_STATEMENT) {
        let some: Vec<_> = some.iter().collect();
        rollups::insert(conn, grain, &some).await?;
    }
    Ok(())
}
