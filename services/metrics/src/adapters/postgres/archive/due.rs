//! Which days are to leave.

use sqlx::PgConnection;
use time::Date;

use super::{DayRow, failed};
use crate::domain::DayEvent;
use crate::ports::{ArchiveError, Due};

pub(super) async fn days(conn: &mut PgConnection, due: Due) -> Result<Vec<Date>, ArchiveError> {
    sqlx::query_scalar(include_str!("due_days.sql"))
        .bind(due.before)
        .bind(due.today)
        .bind(due.at_rest_since)
        .fetch_all(conn)
        .await
        .map_err(failed)
}

/// A day of which nothing was known gets its first row, if it is over and has a partition or events
/// that wait for one; another its next edition.
pub(super) async fn plan(conn: &mut PgConnection, day: Date) -> Result<(), ArchiveError> {
    let made = sqlx::query(
        "insert into archive_days (day, state)
         select $1, 'planned'
         where $1 < (now() at time zone 'UTC')::date
           and (exists (select from event_days where day = $1)
                or exists (select from quarantined_events
                           where (event_time at time zone 'UTC')::date = $1))
         on conflict do nothing",
    )
    .bind(day)
    .execute(&mut *conn)
    .await
    .map_err(failed)?;
    if made.rows_affected() > 0 {
        return Ok(());
    }
    let row: Option<DayRow> = sqlx::query_as(
        "select day, edition, state, reason, restored_until from archive_days
         where day = $1 for update",
    )
    .bind(day)
    .fetch_optional(&mut *conn)
    .await
    .map_err(failed)?;
    let found = row.ok_or(ArchiveError::NoSuchDay(day))?.parse()?;
    let state = found.state.on(DayEvent::Planned)?;
    sqlx::query(
        "update archive_days
         set state = $2, edition = edition + 1, restored_until = null, changed_at = now()
         where day = $1",
    )
    .bind(day)
    .bind(state.word())
    .execute(conn)
    .await
    .map_err(failed)?;
    Ok(())
}
