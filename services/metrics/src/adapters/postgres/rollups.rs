//! Adds deltas to the rollups.
//!
//! Sketches merge in memory, so a row that is there is locked, read, merged and written. No two
//! transactions wait for each other in a circle: tables are taken in one order, and in a table every
//! transaction first inserts what is missing, then locks the rest, each in the order of the keys.
//! Whoever inserts holds no lock on this table's rows but on those it inserted, which nobody who is
//! past inserting can see.
//!
//! A batch may touch as many rows as it has events. So each step goes a bounded number of rows at a
//! time: the server gives a statement only so long, and what is read of the rows is in memory.

use std::collections::HashSet;

use sqlx::{AssertSqlSafe, FromRow, PgConnection};
use time::OffsetDateTime;
use tradepost_aggregation::{Distinct, Sketch};
use tradepost_postgres::DbError;
use tradepost_types::TenantId;
use uuid::Uuid;

use super::times::{broken, millis, moment};
use crate::domain::Grain;
use crate::rollup::{Key, Rollup};

/// Rows that one statement reads or writes.
pub(super) const ROWS_A_STATEMENT: usize = 2_000;

/// Where the rollups of a grain are.
pub(super) const fn table(grain: Grain) -> &'static str {
    match grain {
        Grain::Minute => "rollup_minutes",
        Grain::Hour => "rollup_hours",
        Grain::Day => "rollup_days",
    }
}

/// Adds deltas, which are in the order of their keys, each key once.
pub(super) async fn add(
    conn: &mut PgConnection,
    grain: Grain,
    deltas: &[&(Key, Rollup)],
) -> Result<(), DbError> {
    let mut there = Vec::new();
    for some in deltas.chunks(ROWS_A_STATEMENT) {
        let fresh = without(some, &known(conn, grain, some).await?);
        there.extend(without(some, &insert(conn, grain, &fresh).await?));
    }
    for some in there.chunks(ROWS_A_STATEMENT) {
        merge(conn, grain, some).await?;
    }
    Ok(())
}

fn without<'a>(deltas: &[&'a (Key, Rollup)], keys: &HashSet<Key>) -> Vec<&'a (Key, Rollup)> {
    let missing = |delta: &&&(Key, Rollup)| !keys.contains(&delta.0);
    deltas.iter().filter(missing).copied().collect()
}

/// Keys as columns.
#[derive(Default)]
struct Keys {
    tenants: Vec<Uuid>,
    starts: Vec<OffsetDateTime>,
    types: Vec<i16>,
}

impl Keys {
    fn of<'a>(keys: impl IntoIterator<Item = &'a Key>) -> Result<Self, DbError> {
        let mut columns = Self::default();
        for key in keys {
            columns.tenants.push(key.tenant.as_uuid());
            columns.starts.push(moment(key.start_ms)?);
            columns.types.push(key.type_id);
        }
        Ok(columns)
    }
}

#[derive(FromRow)]
struct KeyRow {
    tenant_id: Uuid,
    start_time: OffsetDateTime,
    type_id: i16,
}

impl From<KeyRow> for Key {
    fn from(row: KeyRow) -> Self {
        Self {
            tenant: TenantId::from_uuid(row.tenant_id),
            start_ms: millis(row.start_time),
            type_id: row.type_id,
        }
    }
}

/// Which of the keys have a row. It locks nothing and decides nothing: it spares the server the
/// sight of rows that it has already.
async fn known(
    conn: &mut PgConnection,
    grain: Grain,
    deltas: &[&(Key, Rollup)],
) -> Result<HashSet<Key>, DbError> {
    let keys = Keys::of(deltas.iter().map(|(key, _)| key))?;
    let table = table(grain);
    let rows: Vec<KeyRow> = sqlx::query_as(AssertSqlSafe(format!(
        "select r.tenant_id, r.start_time, r.type_id
         from unnest($1::uuid[], $2::timestamptz[], $3::smallint[])
             as k (tenant_id, start_time, type_id)
         join {table} r using (tenant_id, start_time, type_id)"
    )))
    .bind(keys.tenants)
    .bind(keys.starts)
    .bind(keys.types)
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Key::from).collect())
}

/// Inserts rows where there are none; which of them were inserted. At most [`ROWS_A_STATEMENT`].
pub(super) async fn insert(
    conn: &mut PgConnection,
    grain: Grain,
    rows: &[&(Key, Rollup)],
) -> Result<HashSet<Key>, DbError> {
    if rows.is_empty() {
        return Ok(HashSet::new());
    }
    let table = table(grain);
    let statement = format!(
        "insert into {table} (tenant_id, start_time, type_id, n, sum, sum_of_squares, min, max,
                              users, sketch)
         select tenant_id, start_time, type_id, n, sum, sum_of_squares, min, max, users, sketch
         from unnest($1::uuid[], $2::timestamptz[], $3::smallint[], $4::bigint[], $5::float8[],
                     $6::float8[], $7::float8[], $8::float8[], $9::bytea[], $10::bytea[])
             with ordinality as d (tenant_id, start_time, type_id, n, sum, sum_of_squares, min, max,
                                   users, sketch, place)
         order by place
         on conflict on constraint {table}_pk do nothing
         returning tenant_id, start_time, type_id"
    );
    let keys = Keys::of(rows.iter().map(|(key, _)| key))?;
    let sums = Sums::of(rows.iter().map(|(_, rollup)| rollup));
    let inserted: Vec<KeyRow> = sqlx::query_as(AssertSqlSafe(statement))
        .bind(keys.tenants)
        .bind(keys.starts)
        .bind(keys.types)
        .bind(sums.n)
        .bind(sums.sum)
        .bind(sums.sum_of_squares)
        .bind(sums.min)
        .bind(sums.max)
        .bind(sums.users)
        .bind(sums.sketches)
        .fetch_all(conn)
        .await?;
    Ok(inserted.into_iter().map(Key::from).collect())
}

/// Adds to rows that are there.
async fn merge(
    conn: &mut PgConnection,
    grain: Grain,
    deltas: &[&(Key, Rollup)],
) -> Result<(), DbError> {
    let locked = lock(conn, grain, deltas).await?;
    if locked.len() != deltas.len() {
        // Somebody rebuilt or forgot rows between two statements: from the start again.
        return Err(DbError::SerializationFailure(sqlx::Error::RowNotFound));
    }
    let mut merged = Vec::with_capacity(locked.len());
    for ((key, delta), row) in deltas.iter().zip(locked) {
        let (found, mut rollup) = row.parse()?;
        if found != *key {
            return Err(broken("order"));
        }
        rollup.merge(delta);
        merged.push(rollup);
    }
    let keys = Keys::of(deltas.iter().map(|(key, _)| key))?;
    let sums = Sums::of(&merged);
    let table = table(grain);
    sqlx::query(AssertSqlSafe(format!(
        "update {table} r
         set n = d.n, sum = d.sum, sum_of_squares = d.sum_of_squares, min = d.min, max = d.max,
             users = d.users, sketch = d.sketch
         from unnest($1::uuid[], $2::timestamptz[], $3::smallint[], $4::bigint[], $5::float8[],
                     $6::float8[], $7::float8[], $8::float8[], $9::bytea[], $10::bytea[])
             as d (tenant_id, start_time, type_id, n, sum, sum_of_squares, min, max, users, sketch)
         where r.tenant_id = d.tenant_id and r.start_time = d.start_time and r.type_id = d.type_id"
    )))
    .bind(keys.tenants)
    .bind(keys.starts)
    .bind(keys.types)
    .bind(sums.n)
    .bind(sums.sum)
    .bind(sums.sum_of_squares)
    .bind(sums.min)
    .bind(sums.max)
    .bind(sums.users)
    .bind(sums.sketches)
    .execute(conn)
    .await?;
    Ok(())
}

/// The rows of keys, locked and returned in the keys' order.
async fn lock(
    conn: &mut PgConnection,
    grain: Grain,
    deltas: &[&(Key, Rollup)],
) -> Result<Vec<RollupRow>, DbError> {
    let keys = Keys::of(deltas.iter().map(|(key, _)| key))?;
    let table = table(grain);
    let rows = sqlx::query_as(AssertSqlSafe(format!(
        "select r.tenant_id, r.start_time, r.type_id, r.n, r.sum, r.sum_of_squares, r.min, r.max,
                r.users, r.sketch
         from unnest($1::uuid[], $2::timestamptz[], $3::smallint[]) with ordinality
             as k (tenant_id, start_time, type_id, place)
         join {table} r using (tenant_id, start_time, type_id)
         order by k.place
         for no key update of r"
    )))
    .bind(keys.tenants)
    .bind(keys.starts)
    .bind(keys.types)
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

/// A row of any of the three tables.
#[derive(FromRow)]
pub(super) struct RollupRow {
    #[sqlx(flatten)]
    key: KeyRow,
    n: i64,
    sum: f64,
    sum_of_squares: f64,
    min: f64,
    max: f64,
    users: Vec<u8>,
    sketch: Vec<u8>,
}

impl RollupRow {
    pub(super) fn parse(self) -> Result<(Key, Rollup), DbError> {
        let rollup = Rollup {
            n: u64::try_from(self.n).map_err(|_negative| broken("count"))?,
            sum: self.sum,
            sum_of_squares: self.sum_of_squares,
            min: self.min,
            max: self.max,
            users: Distinct::decode(&self.users).map_err(|_damaged| broken("set of users"))?,
            sketch: Sketch::decode(&self.sketch).map_err(|_damaged| broken("sketch"))?,
        };
        Ok((self.key.into(), rollup))
    }
}

/// Rollups as columns.
#[derive(Default)]
struct Sums {
    n: Vec<i64>,
    sum: Vec<f64>,
    sum_of_squares: Vec<f64>,
    min: Vec<f64>,
    max: Vec<f64>,
    users: Vec<Vec<u8>>,
    sketches: Vec<Vec<u8>>,
}

impl Sums {
    fn of<'a>(rollups: impl IntoIterator<Item = &'a Rollup>) -> Self {
        let mut columns = Self::default();
        for rollup in rollups {
            columns.n.push(i64::try_from(rollup.n).unwrap_or(i64::MAX));
            columns.sum.push(rollup.sum);
            columns.sum_of_squares.push(rollup.sum_of_squares);
            columns.min.push(rollup.min);
            columns.max.push(rollup.max);
            columns.users.push(rollup.users.encode());
            columns.sketches.push(rollup.sketch.encode());
        }
        columns
    }
}
