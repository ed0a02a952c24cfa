//! Stores groups of batches: ledger, events and rollups in one transaction (ADR 32).

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::PgConnection;
use time::{Date, OffsetDateTime};
use tradepost_aggregation::Distinct;
use tradepost_postgres::{DbError, retrying};

use super::copy::{self, Row, Rows};
use super::ledger::Place;
use super::times::{day, millis};
use super::versions::{self, Changed};
use super::{PgAnalytics, days, ledger, rollups};
use crate::domain::{Grain, Kept};
use crate::ports::{Batch, EventStore, Outcome, StoreError};
use crate::rollup::{Folding, OVERFLOW_ID, Rollups, TypeId};

/// Event ids are the batch's number times this, and the event's place in the batch.
const PLACES: i64 = 65_536;

#[async_trait]
impl EventStore for PgAnalytics {
    async fn store(&self, group: &[Arc<Batch>]) -> Result<Vec<Outcome>, StoreError> {
        let types = self.types.numbers(&self.database, group).await?;
        let entries: Vec<Entry> = group
            .iter()
            .zip(types)
            .map(|(batch, types)| Entry {
                batch: Arc::clone(batch),
                types: types.into(),
            })
            .collect();
        Ok(retrying(|| self.try_store(group, &entries)).await?)
    }
}

/// A batch with the numbers of its types.
#[derive(Debug, Clone)]
struct Entry {
    batch: Arc<Batch>,
    types: Arc<[TypeId]>,
}

impl PgAnalytics {
    async fn try_store(
        &self,
        group: &[Arc<Batch>],
        entries: &[Entry],
    ) -> Result<Vec<Outcome>, DbError> {
        let mut tx = self.database.system_tx().await?;
        let places = ledger::enter(tx.conn(), group).await?;
        let fresh: Vec<(i64, Entry)> = places
            .iter()
            .zip(entries)
            .filter_map(|(place, entry)| match place {
                Place::New(number) => Some((*number, entry.clone())),
                Place::Known | Place::Reused => None,
            })
            .collect();
        let mut homeless = BTreeSet::new();
        if !fresh.is_empty() {
            tradepost_crash::point("metrics.after_ledger");
            let folded = fold(fresh).await?;
            let written = write_events(tx.conn(), &folded).await?;
            tradepost_crash::point("metrics.after_events");
            let now_ms = millis(written.now);
            add_rollups(tx.conn(), &folded.rollups, self.limits.kept, now_ms).await?;
            versions::change(tx.conn(), &changed(&folded.rollups)?).await?;
            homeless = written.homeless;
        }
        tx.commit().await?;
        let outcome = |(place, entry): (&Place, &Entry)| match place {
            Place::New(_) => entry.stored(&homeless),
            Place::Known => Outcome::Duplicate,
            Place::Reused => Outcome::KeyReused,
        };
        Ok(places.iter().zip(entries).map(outcome).collect())
    }
}

impl Entry {
    fn stored(&self, homeless: &BTreeSet<Date>) -> Outcome {
        let events = self.batch.events.iter();
        let overflowed = events
            .clone()
            .filter(|event| self.types.get(usize::from(event.event_type)) == Some(&OVERFLOW_ID))
            .count();
        let is_homeless = |at_ms| day(at_ms).is_ok_and(|day| homeless.contains(&day));
        let quarantined = if homeless.is_empty() {
            0
        } else {
            events.filter(|event| is_homeless(event.at_ms)).count()
        };
        Outcome::Stored {
            overflowed: u32::try_from(overflowed).unwrap_or(u32::MAX),
            quarantined: u32::try_from(quarantined).unwrap_or(u32::MAX),
        }
    }
}

/// Events on their way into the database.
struct Folded {
    rows: Vec<u8>,
    days: BTreeSet<Date>,
    rollups: Rollups,
}

/// Rows in the order of tenant and time, which is that of the index, and their rollups. It is work
/// for tens of milliseconds, so it is not done among the calls.
async fn fold(fresh: Vec<(i64, Entry)>) -> Result<Folded, DbError> {
    tokio::task::spawn_blocking(move || fold_now(&fresh))
        .await
        .map_err(|_panicked| DbError::Query(sqlx::Error::WorkerCrashed))?
}

fn fold_now(fresh: &[(i64, Entry)]) -> Result<Folded, DbError> {
    let events: usize = fresh
        .iter()
        .map(|(_, entry)| entry.batch.events.len())
        .sum();
    let mut rows = Vec::with_capacity(events);
    let (mut folding, mut days) = (Folding::default(), BTreeSet::new());
    let mut last_day_ms = i64::MIN;
    for (number, entry) in fresh {
        let batch = &entry.batch;
        let users: Vec<Option<u64>> = batch.users.iter().map(|user| hash(user)).collect();
        for event in &batch.events {
            let at = usize::from(event.event_type);
            let type_id = entry.types.get(at).copied().unwrap_or(OVERFLOW_ID);
            let user = usize::from(event.user);
            let seen = (event.value, users.get(user).copied().flatten());
            folding.add(batch.tenant, type_id, event.at_ms, seen);
            let day_ms = Grain::Day.start_ms(event.at_ms);
            if day_ms != last_day_ms {
                days.insert(day(event.at_ms)?);
                last_day_ms = day_ms;
            }
            rows.push(Row {
                tenant: batch.tenant.as_uuid(),
                at_ms: event.at_ms,
                event_id: number * PLACES + i64::from(event.place),
                value: event.value,
                type_id,
                user: batch.users.get(user).map(AsRef::as_ref).unwrap_or_default(),
            });
        }
    }
    rows.sort_unstable_by_key(|row| (row.tenant, row.at_ms, row.event_id));
    let mut bytes = Rows::with_capacity(rows.len());
    rows.iter().for_each(|row| bytes.push(row));
    Ok(Folded {
        rows: bytes.finish(),
        days,
        rollups: folding.finish(),
    })
}

/// What a user counts by; nobody does not count.
pub(super) fn hash(user: &str) -> Option<u64> {
    (!user.is_empty()).then(|| Distinct::hash(user.as_bytes()))
}

/// What became of rows.
struct Written {
    /// When, by the database's clock.
    now: OffsetDateTime,
    /// The days that have no partition.
    homeless: BTreeSet<Date>,
}

/// Writes the rows, those of days without a partition into quarantine.
async fn write_events(conn: &mut PgConnection, folded: &Folded) -> Result<Written, DbError> {
    let held = days::hold(conn, &folded.days).await?;
    let now = sqlx::query_scalar("select now() from events_stage()")
        .fetch_one(&mut *conn)
        .await?;
    let mut copy = conn.copy_in_raw(copy::STATEMENT).await?;
    copy.send(folded.rows.as_slice()).await?;
    copy.finish().await?;
    let homeless: BTreeSet<Date> = folded.days.difference(&held).copied().collect();
    if homeless.is_empty() {
        sqlx::query(
            "insert into events (tenant_id, event_time, event_id, value, type_id, user_id)
             select tenant_id, event_time, event_id, value, type_id, user_id
             from pg_temp.staged_events",
        )
        .execute(conn)
        .await?;
        return Ok(Written { now, homeless });
    }
    let days: Vec<Date> = homeless.iter().copied().collect();
    sqlx::query(
        "with lost as (
             insert into quarantined_events
                 (tenant_id, event_time, event_id, value, type_id, user_id)
             select tenant_id, event_time, event_id, value, type_id, user_id
             from pg_temp.staged_events
             where (event_time at time zone 'UTC')::date = any($1))
         insert into events (tenant_id, event_time, event_id, value, type_id, user_id)
         select tenant_id, event_time, event_id, value, type_id, user_id
         from pg_temp.staged_events
         where (event_time at time zone 'UTC')::date <> all($1)",
    )
    .bind(days)
    .execute(conn)
    .await?;
    Ok(Written { now, homeless })
}

/// The days of tenants in which something happened: every event counts in the rollups by day.
fn changed(rollups: &Rollups) -> Result<Changed, DbError> {
    let mut changed = Changed::default();
    for (key, _) in rollups.of(Grain::Day) {
        changed.add(key.tenant, day(key.start_ms)?);
    }
    Ok(changed)
}

/// Adds to the rollups; what is too old for minutes or hours counts in the days alone.
async fn add_rollups(
    conn: &mut PgConnection,
    deltas: &Rollups,
    kept: Kept,
    now_ms: i64,
) -> Result<(), DbError> {
    for grain in Grain::COARSEST_FIRST {
        let kept_from = kept.from_ms(grain, now_ms);
        let deltas: Vec<_> = deltas
            .of(grain)
            .iter()
            .filter(|(key, _)| key.start_ms >= kept_from)
            .collect();
        rollups::add(conn, grain, &deltas).await?;
    }
    Ok(())
}
