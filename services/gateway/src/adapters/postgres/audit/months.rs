//! The months of the trail: each is a partition, made ahead and dropped whole.

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, FromRow, PgConnection};
use time::{Date, OffsetDateTime};
use tradepost_postgres::DbError;
use uuid::Uuid;

use crate::domain::audit::{Chain, Digest, Head};

/// Dropping locks the parent for a moment; whoever waits for that lock holds up all writers, so it
/// gives up soon and is tried again at the next look.
const LOCK_TIMEOUT_MS: u32 = 500;

pub(super) async fn prepare(conn: &mut PgConnection, months_ahead: u8) -> Result<(), DbError> {
    sqlx::query("select audit_prepare($1)")
        .bind(i32::from(months_ahead))
        .execute(conn)
        .await?;
    Ok(())
}

pub(super) async fn list(conn: &mut PgConnection) -> Result<Vec<Date>, DbError> {
    let months = sqlx::query_scalar(
        "select to_date(right(c.relname, 7), 'YYYY_MM')
         from pg_inherits i
         join pg_class c on c.oid = i.inhrelid
         where i.inhparent = 'audit_entries'::regclass
           and to_date(right(c.relname, 7), 'YYYY_MM')
               < date_trunc('month', now() at time zone 'UTC')
         order by 1",
    )
    .fetch_all(conn)
    .await?;
    Ok(months)
}

#[derive(FromRow)]
struct EndRow {
    tenant_id: Uuid,
    seq: i64,
    hash: Digest,
    recorded_at: OffsetDateTime,
}

pub(super) async fn ends(conn: &mut PgConnection, month: Date) -> Result<Vec<Head>, DbError> {
    let rows: Vec<EndRow> = sqlx::query_as(
        "select distinct on (tenant_id) tenant_id, seq, hash, recorded_at
         from audit_entries
         where recorded_at >= $1::timestamp at time zone 'UTC'
           and recorded_at < ($1 + interval '1 month') at time zone 'UTC'
         order by tenant_id, seq desc",
    )
    .bind(month)
    .fetch_all(conn)
    .await?;
    let head = |row: EndRow| Head {
        chain: Chain::from_uuid(row.tenant_id),
        seq: row.seq,
        hash: row.hash,
        recorded_at: Some(row.recorded_at),
    };
    Ok(rows.into_iter().map(head).collect())
}

pub(super) async fn drop(owner_url: &SecretString, month: Date) -> Result<(), DbError> {
    let options: PgConnectOptions = owner_url.expose_secret().parse().map_err(DbError::Query)?;
    let mut conn = options
        .application_name("gateway-audit-retention")
        .connect()
        .await?;
    let (year, month) = (month.year(), u8::from(month.month()));
    // Numbers only: nothing here comes from outside.
    let statements = format!(
        "begin;
         set local lock_timeout = {LOCK_TIMEOUT_MS};
         drop table if exists audit_entries_{year:04}_{month:02};
         drop table if exists audit_origins_{year:04}_{month:02};
         commit"
    );
    conn.execute(AssertSqlSafe(statements)).await?;
    Ok(conn.close().await?)
}

pub(super) async fn erase_origins(conn: &mut PgConnection, actor: &str) -> Result<u64, DbError> {
    let erased = sqlx::query(
        "delete from audit_origins o
         using audit_entries e
         where e.actor = $1
           and o.tenant_id = e.tenant_id and o.seq = e.seq and o.recorded_at = e.recorded_at",
    )
    .bind(actor)
    .execute(conn)
    .await?;
    Ok(erased.rows_affected())
}
