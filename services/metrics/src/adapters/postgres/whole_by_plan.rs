//! Sums over all tenants of a plan and a whole range. What a page would take apart is counted first, by
//! keys alone, and it ends with the event type that has enough; of that all is merged, however much.

use std::collections::BTreeMap;

use futures::TryStreamExt;
use sqlx::{AssertSqlSafe, PgConnection};
use tradepost_postgres::DbError;

use super::reports::{SumRow, named, over};
use super::times::moment;
use crate::domain::{Grain, Range};
use crate::ports::{PlanWhole, PlanWholeQuestion, Sum};
use crate::rollup::Rollup;

pub(super) async fn sums(
    conn: &mut PgConnection,
    question: &PlanWholeQuestion,
) -> Result<PlanWhole, DbError> {
    let mut names = types(conn, question).await?;
    let mut counts = BTreeMap::new();
    for &piece in &question.pieces {
        count_piece(conn, &question.plan, piece, &names, &mut counts).await?;
    }
    let known = names.len();
    names.truncate(types_on_page(question, &names, &counts));
    let last = names.last().filter(|_| names.len() < known).cloned();

    let mut merged = BTreeMap::new();
    for &piece in &question.pieces {
        merge_piece(conn, &question.plan, piece, &names, &mut merged).await?;
    }
    let start_ms = question
        .pieces
        .first()
        .map_or(0, |(_, range)| range.start_ms);
    let sum = |(event_type, rollup)| Sum {
        event_type,
        start_ms,
        rollup,
    };
    let sums = merged.into_iter().map(sum).collect();
    Ok(PlanWhole { sums, last })
}

/// The event types that tenants of the plan have, by name: one more than are looked at.
async fn types(
    conn: &mut PgConnection,
    question: &PlanWholeQuestion,
) -> Result<Vec<String>, DbError> {
    let names = sqlx::query_scalar(include_str!("plan_types.sql"))
        .persistent(false)
        .bind(&question.plan)
        .bind(named(&question.types))
        .bind(&question.after)
        .bind(question.types_max.saturating_add(1))
        .fetch_all(conn)
        .await?;
    Ok(names)
}

/// How many of these event types are looked at: no more than may be, and up to the one that has the
/// last rollup that may be.
fn types_on_page(
    question: &PlanWholeQuestion,
    names: &[String],
    counts: &BTreeMap<String, u64>,
) -> usize {
    let types_max = usize::try_from(question.types_max).unwrap_or(0);
    let mut rollups = 0;
    let mut types = 0;
    for name in names.iter().take(types_max) {
        if rollups >= question.rollups_max {
            break;
        }
        rollups += counts.get(name).copied().unwrap_or(0);
        types += 1;
    }
    types
}

/// Adds how many rollups each event type has in a piece.
async fn count_piece(
    conn: &mut PgConnection,
    plan: &str,
    (grain, range): (Grain, Range),
    names: &[String],
    counts: &mut BTreeMap<String, u64>,
) -> Result<(), DbError> {
    let statement: AssertSqlSafe<String> = over(grain, include_str!("plan_whole_counts.sql"));
    let rows: Vec<(String, i64)> = sqlx::query_as(statement)
        .persistent(false)
        .bind(plan)
        .bind(moment(range.start_ms)?)
        .bind(moment(range.end_ms)?)
        .bind(names)
        .fetch_all(conn)
        .await?;
    for (name, n) in rows {
        *counts.entry(name).or_default() += n.unsigned_abs();
    }
    Ok(())
}

/// Adds the rollups of a piece, row by row: of one event type there may be many.
async fn merge_piece(
    conn: &mut PgConnection,
    plan: &str,
    (grain, range): (Grain, Range),
    names: &[String],
    merged: &mut BTreeMap<String, Rollup>,
) -> Result<(), DbError> {
    let statement: AssertSqlSafe<String> = over(grain, include_str!("plan_whole.sql"));
    let mut rows = sqlx::query_as::<_, SumRow>(statement)
        .persistent(false)
        .bind(plan)
        .bind(moment(range.start_ms)?)
        .bind(moment(range.end_ms)?)
        .bind(names)
        .fetch(conn);
    while let Some(row) = rows.try_next().await? {
        let sum = row.parse()?;
        match merged.get_mut(&sum.event_type) {
            Some(whole) => whole.merge(&sum.rollup),
            None => {
                merged.insert(sum.event_type, sum.rollup);
            }
        }
    }
    Ok(())
}
