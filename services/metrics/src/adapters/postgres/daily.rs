//! The report over tenants. A page reads the days it needs, and of the last day no more tenants
//! than fit on it.

use sqlx::PgConnection;
use time::{Date, Duration, OffsetDateTime};
use tradepost_postgres::DbError;
use tradepost_types::TenantId;
use uuid::Uuid;

use crate::domain::EventType;
use crate::ports::{DailyLine, DailyQuestion};

/// Days that one step looks at, at most.
const DAYS_A_STEP_MAX: i64 = 128;
/// By how much a step may be longer than the one before.
const GROWTH_MAX: i64 = 4;

/// Steps back in time until there are enough lines. Each step begins where anything is; how many days
/// it has is what the last whole day's lines say will do, so that a report over many tenants reads
/// one, and one of a small plan goes back far at once.
pub(super) async fn lines(
    conn: &mut PgConnection,
    question: &DailyQuestion,
) -> Result<Vec<DailyLine>, DbError> {
    let mut lines = Vec::new();
    let mut left = question.limit;
    let newest = question.after.map_or(question.until, |(day, _)| day);
    let mut end = newest.saturating_add(Duration::DAY);
    let mut days = 1;
    while left > 0
        && let Some(day) = newest_before(conn, question.since, end).await?
    {
        let behind = question.after.filter(|(after, _)| *after == day);
        let found = if days == 1 {
            end = day;
            of_day(
                conn,
                question,
                (day, behind.map(|(_, tenant)| tenant)),
                left,
            )
            .await?
        } else {
            let first = day.saturating_sub(Duration::days(days - 1));
            end = first.max(question.since);
            of_days(conn, question, (end, day), left).await?
        };
        let count = i64::try_from(found.len()).unwrap_or(i64::MAX);
        left -= count;
        lines.extend(found);
        // What is left of a day behind a token says nothing of whole days.
        if behind.is_none() {
            let a_day = (count / days).max(1);
            days = (left / a_day + 1)
                .min(days * GROWTH_MAX)
                .min(DAYS_A_STEP_MAX);
        }
    }
    Ok(lines)
}

/// The newest day in the range that has anything of anybody.
async fn newest_before(
    conn: &mut PgConnection,
    since: Date,
    end: Date,
) -> Result<Option<Date>, DbError> {
    let newest: Option<OffsetDateTime> = sqlx::query_scalar(include_str!("newest_day.sql"))
        .persistent(false)
        .bind(midnight(since))
        .bind(midnight(end))
        .fetch_one(conn)
        .await?;
    Ok(newest.map(OffsetDateTime::date))
}

type LineRow = (OffsetDateTime, Uuid, i64, f64);

async fn of_day(
    conn: &mut PgConnection,
    question: &DailyQuestion,
    (day, after): (Date, Option<TenantId>),
    limit: i64,
) -> Result<Vec<DailyLine>, DbError> {
    let rows: Vec<LineRow> = sqlx::query_as(include_str!("daily.sql"))
        .persistent(false)
        .bind(&question.plan)
        .bind(question.event_type.as_ref().map(EventType::as_str))
        .bind(midnight(day))
        .bind(after.map(TenantId::as_uuid))
        .bind(limit)
        .fetch_all(conn)
        .await?;
    Ok(rows.into_iter().map(line).collect())
}

/// From the first day to the last, both included.
async fn of_days(
    conn: &mut PgConnection,
    question: &DailyQuestion,
    (first, last): (Date, Date),
    limit: i64,
) -> Result<Vec<DailyLine>, DbError> {
    let rows: Vec<LineRow> = sqlx::query_as(include_str!("daily_span.sql"))
        .persistent(false)
        .bind(&question.plan)
        .bind(question.event_type.as_ref().map(EventType::as_str))
        .bind(midnight(first))
        .bind(midnight(last.saturating_add(Duration::DAY)))
        .bind(limit)
        .fetch_all(conn)
        .await?;
    Ok(rows.into_iter().map(line).collect())
}

fn line((start, tenant, n, sum): LineRow) -> DailyLine {
    DailyLine {
        tenant: TenantId::from_uuid(tenant),
        day: start.date(),
        n: n.unsigned_abs(),
        sum,
    }
}

fn midnight(day: Date) -> OffsetDateTime {
    day.midnight().assume_utc()
}
