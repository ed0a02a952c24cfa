//! Answers. Statements are planned for their arguments each time: a plan for any range would have to
//! lock the partitions of all of them.

use std::collections::BTreeMap;

use async_trait::async_trait;
use futures::TryStreamExt;
use sqlx::postgres::PgArguments;
use sqlx::query::QueryAs;
use sqlx::{AssertSqlSafe, FromRow, PgConnection, Postgres};
use time::OffsetDateTime;
use tradepost_postgres::DbError;
use tradepost_types::TenantId;

use super::rollups::{RollupRow, table};
use super::times::{broken, millis, moment};
use super::{PgAnalytics, by_plan, daily, versions, whole_by_plan};
use crate::domain::{EventType, Grain, Range};
use crate::ports::{
    DailyLine, DailyQuestion, EventsQuestion, Measure, NamedType, PlanQuestion, PlanSums,
    PlanWhole, PlanWholeQuestion, ReportStore, StoreError, StoredEvent, Sum, SumsQuestion, TopLine,
    TypesQuestion, Whose,
};
use crate::rollup::Rollup;

#[async_trait]
impl ReportStore for PgAnalytics {
    async fn sums(&self, question: &SumsQuestion) -> Result<Vec<Sum>, StoreError> {
        let mut tx = self.database.tenant_tx(question.tenant).await?;
        let statement = over(question.grain, include_str!("sums.sql"));
        let sums = sums(tx.conn(), statement, question).await?;
        tx.commit().await?;
        Ok(sums)
    }

    async fn plan_sums(&self, question: &PlanQuestion) -> Result<PlanSums, StoreError> {
        let mut tx = self.database.system_tx().await?;
        let sums = by_plan::sums(tx.conn(), question).await?;
        tx.commit().await?;
        Ok(sums)
    }

    async fn plan_whole(&self, question: &PlanWholeQuestion) -> Result<PlanWhole, StoreError> {
        let mut tx = self.database.system_tx().await?;
        let whole = whole_by_plan::sums(tx.conn(), question).await?;
        tx.commit().await?;
        Ok(whole)
    }

    async fn types(&self, question: &TypesQuestion) -> Result<Vec<NamedType>, StoreError> {
        let mut tx = self.database.tenant_tx(question.tenant).await?;
        let rows: Vec<(i16, String)> = sqlx::query_as(include_str!("types.sql"))
            .persistent(false)
            .bind(question.tenant.as_uuid())
            .bind(named(&question.types))
            .bind(&question.after)
            .bind(question.limit)
            .fetch_all(tx.conn())
            .await
            .map_err(DbError::from)?;
        tx.commit().await?;
        let named = |(id, name)| NamedType { id, name };
        Ok(rows.into_iter().map(named).collect())
    }

    async fn whole(
        &self,
        tenant: TenantId,
        pieces: &[(Grain, Range)],
        types: &[NamedType],
    ) -> Result<Vec<Sum>, StoreError> {
        let ids: Vec<i16> = types.iter().map(|named| named.id).collect();
        let mut merged = BTreeMap::new();
        let mut tx = self.database.tenant_tx(tenant).await?;
        for &piece in pieces {
            merge_piece(tx.conn(), tenant, piece, &ids, &mut merged).await?;
        }
        tx.commit().await?;
        let start_ms = pieces.first().map_or(0, |(_, range)| range.start_ms);
        let sum = |named: &NamedType| {
            Some(Sum {
                event_type: named.name.clone(),
                start_ms,
                rollup: merged.remove(&named.id)?,
            })
        };
        Ok(types.iter().filter_map(sum).collect())
    }

    async fn daily(&self, question: &DailyQuestion) -> Result<Vec<DailyLine>, StoreError> {
        let mut tx = self.database.system_tx().await?;
        let lines = daily::lines(tx.conn(), question).await?;
        tx.commit().await?;
        Ok(lines)
    }

    async fn top(
        &self,
        whose: &Whose,
        range: Range,
        measure: Measure,
        limit: i64,
    ) -> Result<Vec<TopLine>, StoreError> {
        let asked = (range, measure, limit);
        let lines = match whose {
            Whose::Tenant(tenant) => {
                let mut tx = self.database.tenant_tx(*tenant).await?;
                let of_tenant = sqlx::query_as(include_str!("top.sql")).bind(tenant.as_uuid());
                let lines = top(tx.conn(), of_tenant, asked).await?;
                tx.commit().await?;
                lines
            }
            Whose::Plan(plan) => {
                let mut tx = self.database.system_tx().await?;
                let of_plan = sqlx::query_as(include_str!("plan_top.sql")).bind(plan);
                let lines = top(tx.conn(), of_plan, asked).await?;
                tx.commit().await?;
                lines
            }
        };
        Ok(lines)
    }

    async fn put_tenant(
        &self,
        tenant: TenantId,
        plan: &str,
        version: i64,
    ) -> Result<(), StoreError> {
        let mut tx = self.database.system_tx().await?;
        sqlx::query(
            "insert into tenants as t (tenant_id, plan, plan_version) values ($1, $2, $3)
             on conflict on constraint tenants_pk do update
             set plan = excluded.plan, plan_version = excluded.plan_version, updated_at = now()
             where t.plan_version < excluded.plan_version",
        )
        .bind(tenant.as_uuid())
        .bind(plan)
        .bind(version)
        .execute(tx.conn())
        .await
        .map_err(DbError::from)?;
        versions::change_plans(tx.conn()).await?;
        Ok(tx.commit().await?)
    }
}

/// The names to look for; none is all.
pub(super) fn named(types: &[EventType]) -> Option<Vec<&str>> {
    (!types.is_empty()).then(|| types.iter().map(EventType::as_str).collect())
}

/// A statement over the rollups of a grain, and of the tenants of a plan if it names them.
pub(super) fn over(grain: Grain, statement: &'static str) -> AssertSqlSafe<String> {
    let tenants = include_str!("plan_tenants.sql").trim_end();
    let statement = statement.replace("{tenants}", tenants);
    AssertSqlSafe(statement.replace("{table}", table(grain)))
}

/// The greatest, by a statement that says of whom.
async fn top(
    conn: &mut PgConnection,
    statement: QueryAs<'_, Postgres, (String, i64, f64), PgArguments>,
    (range, measure, limit): (Range, Measure, i64),
) -> Result<Vec<TopLine>, DbError> {
    let rows = statement
        .persistent(false)
        .bind(moment(range.start_ms)?)
        .bind(moment(range.end_ms)?)
        .bind(measure == Measure::Count)
        .bind(limit)
        .fetch_all(conn)
        .await?;
    let line = |(event_type, n, sum): (String, i64, f64)| TopLine {
        event_type,
        n: n.unsigned_abs(),
        sum,
    };
    Ok(rows.into_iter().map(line).collect())
}

/// A rollup with the name of its event type.
#[derive(FromRow)]
pub(super) struct SumRow {
    name: String,
    #[sqlx(flatten)]
    rollup: RollupRow,
}

impl SumRow {
    pub(super) fn parse(self) -> Result<Sum, DbError> {
        let (key, rollup) = self.rollup.parse()?;
        Ok(Sum {
            event_type: self.name,
            start_ms: key.start_ms,
            rollup,
        })
    }
}

/// Sums, by a statement that says in which order.
pub(super) async fn sums(
    conn: &mut PgConnection,
    statement: AssertSqlSafe<String>,
    question: &SumsQuestion,
) -> Result<Vec<Sum>, DbError> {
    let (after, name) = match &question.after {
        Some((start_ms, name)) => (Some(moment(*start_ms)?), Some(name)),
        None => (None, None),
    };
    let rows: Vec<SumRow> = sqlx::query_as(statement)
        .persistent(false)
        .bind(question.tenant.as_uuid())
        .bind(moment(question.range.start_ms)?)
        .bind(moment(question.range.end_ms)?)
        .bind(named(&question.types))
        .bind(after)
        .bind(name)
        .bind(question.limit)
        .fetch_all(conn)
        .await?;
    rows.into_iter().map(SumRow::parse).collect()
}

/// Adds the rollups of a piece, row by row: there may be ten years of them.
async fn merge_piece(
    conn: &mut PgConnection,
    tenant: TenantId,
    (grain, range): (Grain, Range),
    ids: &[i16],
    merged: &mut BTreeMap<i16, Rollup>,
) -> Result<(), DbError> {
    let mut rows = sqlx::query_as::<_, RollupRow>(over(grain, include_str!("whole.sql")))
        .persistent(false)
        .bind(tenant.as_uuid())
        .bind(moment(range.start_ms)?)
        .bind(moment(range.end_ms)?)
        .bind(ids)
        .fetch(conn);
    while let Some(row) = rows.try_next().await? {
        let (key, rollup) = row.parse()?;
        match merged.get_mut(&key.type_id) {
            Some(sum) => sum.merge(&rollup),
            None => {
                merged.insert(key.type_id, rollup);
            }
        }
    }
    Ok(())
}

type EventRow = (OffsetDateTime, i64, Option<String>, String, f64);

/// Single events, by a statement that says from where and in which order.
pub(super) async fn events(
    conn: &mut PgConnection,
    statement: AssertSqlSafe<String>,
    question: &EventsQuestion,
) -> Result<Vec<StoredEvent>, DbError> {
    let after = question.after;
    let rows: Vec<EventRow> = sqlx::query_as(statement)
        .persistent(false)
        .bind(question.tenant.as_uuid())
        .bind(moment(question.range.start_ms)?)
        .bind(moment(question.range.end_ms)?)
        .bind(question.event_type.as_ref().map(EventType::as_str))
        .bind(after.map(|(at_ms, _)| moment(at_ms)).transpose()?)
        .bind(after.map(|(_, id)| id))
        .bind(question.limit)
        .fetch_all(conn)
        .await?;
    let event = |(at, id, event_type, user, value): EventRow| {
        Ok(StoredEvent {
            at_ms: millis(at),
            id,
            event_type: event_type.ok_or_else(|| broken("event type"))?,
            user,
            value,
        })
    };
    rows.into_iter().map(event).collect()
}
