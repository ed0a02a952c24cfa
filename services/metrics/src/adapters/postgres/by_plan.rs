//! Sums over all tenants of a plan. How many rollups there are depends on how many tenants the plan
//! has, so a page takes a bounded number of them apart, and is short where that was not enough. Of a
//! line all are merged, however many.

use futures::TryStreamExt;
use sqlx::PgConnection;
use time::OffsetDateTime;
use tradepost_postgres::DbError;

use super::reports::{SumRow, named, over};
use super::times::{millis, moment};
use crate::domain::Range;
use crate::ports::{PlanQuestion, PlanSums, Sum};

/// Buckets that one step looks at, at most: the next may be much fuller than the last.
const BUCKETS_A_STEP_MAX: i64 = 128;
/// By how much a step may be longer than the one before.
const GROWTH_MAX: i64 = 4;

/// Steps back in time until the page is full. Each step begins where anything is; how many buckets it
/// has is what those before say will do.
pub(super) async fn sums(
    conn: &mut PgConnection,
    question: &PlanQuestion,
) -> Result<PlanSums, DbError> {
    let (range, width_ms) = (question.range, question.grain.width_ms());
    let after_ms = question.after.as_ref().map(|(start_ms, _)| *start_ms);
    let mut end_ms = after_ms.map_or(range.end_ms, |after_ms| {
        after_ms.saturating_add(width_ms).min(range.end_ms)
    });
    let mut page = Filling::of(question);
    let mut buckets = 1;
    while page.lines_left > 0
        && page.rollups_left > 0
        && let Some(newest_ms) = newest_before(conn, question, end_ms).await?
    {
        let first_ms = newest_ms - (buckets - 1) * width_ms;
        let step = Range {
            start_ms: first_ms.max(range.start_ms),
            end_ms: newest_ms + width_ms,
        };
        let before = (page.lines_left, page.rollups_left);
        read(conn, question, step, &mut page).await?;
        end_ms = step.start_ms;
        // What is left of a bucket behind a token says nothing of whole buckets.
        if after_ms != Some(newest_ms) {
            let last = |before: i64, left: i64| left / ((before - left) / buckets).max(1) + 1;
            buckets = last(before.0, page.lines_left)
                .min(last(before.1, page.rollups_left))
                .min(buckets * GROWTH_MAX)
                .clamp(1, BUCKETS_A_STEP_MAX);
        }
    }
    Ok(PlanSums {
        is_cut: page.rollups_left <= 0 && page.lines_left > 0,
        sums: page.sums,
    })
}

/// A page in the making.
struct Filling {
    sums: Vec<Sum>,
    lines_left: i64,
    /// Below 0 where the last line had more than that.
    rollups_left: i64,
}

impl Filling {
    const fn of(question: &PlanQuestion) -> Self {
        Self {
            sums: Vec::new(),
            lines_left: question.limit,
            rollups_left: question.rollups_max,
        }
    }

    /// Adds a rollup, which belongs to the last line or begins the next.
    fn add(&mut self, rollup: Sum) {
        self.rollups_left -= 1;
        match self.sums.last_mut() {
            Some(line)
                if (line.start_ms, &line.event_type) == (rollup.start_ms, &rollup.event_type) =>
            {
                line.rollup.merge(&rollup.rollup);
            }
            Some(_) | None => {
                self.lines_left -= 1;
                self.sums.push(rollup);
            }
        }
    }
}

/// Where the newest bucket before `end_ms` starts that has anything of a tenant of the plan.
async fn newest_before(
    conn: &mut PgConnection,
    question: &PlanQuestion,
    end_ms: i64,
) -> Result<Option<i64>, DbError> {
    let statement = over(question.grain, include_str!("plan_newest.sql"));
    let newest: Option<OffsetDateTime> = sqlx::query_scalar(statement)
        .persistent(false)
        .bind(&question.plan)
        .bind(moment(question.range.start_ms)?)
        .bind(moment(end_ms)?)
        .fetch_one(conn)
        .await?;
    Ok(newest.map(millis))
}

/// Adds the lines of a step to the page, row by row, as many as it has room for.
async fn read(
    conn: &mut PgConnection,
    question: &PlanQuestion,
    step: Range,
    page: &mut Filling,
) -> Result<(), DbError> {
    let (after, name) = match &question.after {
        Some((start_ms, name)) => (Some(moment(*start_ms)?), Some(name)),
        None => (None, None),
    };
    let statement = over(question.grain, include_str!("plan_sums.sql"));
    let mut rows = sqlx::query_as::<_, SumRow>(statement)
        .persistent(false)
        .bind(&question.plan)
        .bind(moment(step.start_ms)?)
        .bind(moment(step.end_ms)?)
        .bind(named(&question.types))
        .bind(after)
        .bind(name)
        .bind(page.lines_left)
        .bind(page.rollups_left)
        .fetch(conn);
    while let Some(row) = rows.try_next().await? {
        page.add(row.parse()?);
    }
    Ok(())
}
