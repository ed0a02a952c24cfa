//! What the database itself counts of a day, beside what it sent.

use sqlx::{AssertSqlSafe, Executor, PgConnection};
use time::{Date, OffsetDateTime};
use tradepost_types::TenantId;
use uuid::Uuid;

use super::super::times::millis;
use super::failed;
use crate::ports::{ArchiveError, DayCount, TenantCount};

#[derive(sqlx::FromRow)]
struct Counted {
    tenant_id: Uuid,
    leaving: i64,
    value_sum: f64,
    magnitude: f64,
    min_time: Option<OffsetDateTime>,
    max_time: Option<OffsetDateTime>,
    elsewhere: i64,
    rolled_up: Option<i64>,
}

pub(super) async fn count(conn: &mut PgConnection, day: Date) -> Result<DayCount, ArchiveError> {
    // One statement sees one moment: what is stored meanwhile is in the rollups and in quarantine,
    // or in neither. Sums of a day fit into the memory of a hash table, so nothing is sorted.
    conn.execute("set local work_mem = '64MB'")
        .await
        .map_err(failed)?;
    let part = super::leaving(conn, day).await?;
    let statement = include_str!("count_day.sql").replace("leaving_part", &part);
    let rows: Vec<Counted> = sqlx::query_as(AssertSqlSafe(statement))
        .persistent(false)
        .bind(day.midnight().assume_utc())
        .bind(day)
        .fetch_all(conn)
        .await
        .map_err(failed)?;
    let mut counted = DayCount::default();
    for row in rows {
        if let Some((first, last)) = row.min_time.zip(row.max_time) {
            let (first, last) = (millis(first), millis(last));
            let (earliest, latest) = counted.times_ms.unwrap_or((first, last));
            counted.times_ms = Some((earliest.min(first), latest.max(last)));
        }
        counted.value_sum += row.value_sum;
        counted.magnitude += row.magnitude;
        counted.tenants.push(TenantCount {
            tenant: TenantId::from_uuid(row.tenant_id),
            rows: row.leaving,
            elsewhere: row.elsewhere,
            rolled_up: row.rolled_up,
        });
    }
    Ok(counted)
}
