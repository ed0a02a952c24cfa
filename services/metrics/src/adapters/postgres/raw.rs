//! One moment of one tenant, as a transaction that sees nothing newer.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, Executor};
use time::OffsetDateTime;
use tradepost_postgres::{DbError, TenantTx};
use tradepost_types::TenantId;

use super::PgAnalytics;
use super::reports::{events, named, over, sums};
use super::times::{millis, moment};
use crate::domain::{EventType, Grain, Range};
use crate::ports::{
    ArchivedFile, Cut, EventsQuestion, Order, RawStore, StoreError, StoredEvent, Sum, SumsQuestion,
};

/// Where raw events are: each in one of them, or in a file.
const PLACES: [&str; 3] = ["events", "quarantined_events", "leaving_events"];

/// Partitions change sides behind an exclusive lock of this table (migration 3), so while this one
/// is held none does. It comes before the first query, which makes the moment.
pub(super) const STAY: &str = "lock table leaving_events in access share mode";

#[async_trait]
impl RawStore for PgAnalytics {
    async fn cut(&self, tenant: TenantId, idle_max: Duration) -> Result<Box<dyn Cut>, StoreError> {
        let mut tx = self.database.tenant_snapshot(tenant, idle_max).await?;
        tx.conn().execute(STAY).await.map_err(DbError::from)?;
        Ok(Box::new(PgCut(tx)))
    }
}

struct PgCut(TenantTx);

#[async_trait]
impl Cut for PgCut {
    async fn events(
        &mut self,
        question: &EventsQuestion,
        order: Order,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let statement = match order {
            Order::NewestFirst => include_str!("list_events.sql"),
            Order::OldestFirst => include_str!("export_events.sql"),
        };
        let mut found = Vec::new();
        for place in PLACES {
            let statement = AssertSqlSafe(statement.replace("{table}", place));
            found.extend(events(self.0.conn(), statement, question).await?);
        }
        found.sort_unstable_by(|a, b| {
            let up = (a.at_ms, a.id).cmp(&(b.at_ms, b.id));
            match order {
                Order::NewestFirst => up.reverse(),
                Order::OldestFirst => up,
            }
        });
        found.truncate(usize::try_from(question.limit).unwrap_or_default());
        Ok(found)
    }

    async fn files(&mut self, range: Range, limit: i64) -> Result<Vec<ArchivedFile>, StoreError> {
        type Row = (String, i64, i64, OffsetDateTime, OffsetDateTime);
        let rows: Vec<Row> = sqlx::query_as(include_str!("archived_files.sql"))
            .persistent(false)
            .bind(self.0.tenant().as_uuid())
            .bind(moment(range.start_ms)?)
            .bind(moment(range.end_ms)?)
            .bind(limit)
            .fetch_all(self.0.conn())
            .await
            .map_err(DbError::from)?;
        let file = |(path, bytes, rows, first, last): Row| ArchivedFile {
            path,
            bytes: bytes.unsigned_abs(),
            rows: rows.unsigned_abs(),
            first_ms: millis(first),
            last_ms: millis(last),
        };
        Ok(rows.into_iter().map(file).collect())
    }

    async fn sums(&mut self, question: &SumsQuestion) -> Result<Vec<Sum>, StoreError> {
        let statement = over(question.grain, include_str!("export_sums.sql"));
        Ok(sums(self.0.conn(), statement, question).await?)
    }

    async fn sums_count(&mut self, question: &SumsQuestion) -> Result<u64, StoreError> {
        let statement = over(question.grain, include_str!("count_sums.sql"));
        let count: i64 = sqlx::query_scalar(statement)
            .persistent(false)
            .bind(question.tenant.as_uuid())
            .bind(moment(question.range.start_ms)?)
            .bind(moment(question.range.end_ms)?)
            .bind(named(&question.types))
            .bind(question.limit)
            .fetch_one(self.0.conn())
            .await
            .map_err(DbError::from)?;
        Ok(count.unsigned_abs())
    }

    async fn events_count(
        &mut self,
        range: Range,
        event_type: Option<&EventType>,
    ) -> Result<u64, StoreError> {
        let day = Grain::Day;
        let first = day.start_ms(range.start_ms.saturating_add(day.width_ms() - 1));
        let count: i64 = sqlx::query_scalar(include_str!("count_events.sql"))
            .persistent(false)
            .bind(self.0.tenant().as_uuid())
            .bind(moment(first)?)
            .bind(moment(day.start_ms(range.end_ms))?)
            .bind(event_type.map(EventType::as_str))
            .fetch_one(self.0.conn())
            .await
            .map_err(DbError::from)?;
        Ok(count.unsigned_abs())
    }
}
