//! The days on their way out (ADR 36). What changes partitions is done by functions of migration
//! 0003, and so are the transitions that go with it; the others are made here, by the domain's
//! table.

mod counting;
mod due;
mod manifest;
mod names;
mod returning;
mod rows;
mod turn;
mod unnamed;

use std::collections::BTreeSet;

use async_trait::async_trait;
use sqlx::{Executor, PgConnection};
use time::Date;
use tradepost_postgres::{DbError, SystemTx};

use super::PgAnalytics;
use crate::domain::{ArchiveDay, DayEvent, DayState};
use crate::ports::{
    ArchiveError, ArchiveStore, ArchiveSummary, DayCount, Due, FileFacts, Files, RowsOut,
    StoreError, Turn,
};

/// A day may be long to read and to count. The functions have their own, short wait for locks.
const PATIENCE: &str = "set local statement_timeout = 0;
    set local idle_in_transaction_session_timeout = 0";

impl From<DbError> for ArchiveError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::SerializationFailure(_) => Self::Busy,
            DbError::Query(sqlx::Error::Database(answer))
                if answer.code().as_deref() == Some("55000") =>
            {
                Self::Refused(answer.message().to_owned())
            }
            DbError::Query(sqlx::Error::Database(answer))
                if answer.code().as_deref() == Some("22000") =>
            {
                Self::Differs(answer.message().to_owned())
            }
            // Of what is in a row: it cannot be cast, added, or stored.
            DbError::Query(sqlx::Error::Database(answer))
                if answer.code().is_some_and(|code| code.starts_with("22")) =>
            {
                Self::Unmovable(answer.message().to_owned())
            }
            error @ (DbError::Unavailable(_)
            | DbError::Constraint { .. }
            | DbError::CommitUnknown(_)
            | DbError::Schema(_)
            | DbError::Query(_)) => Self::Store(StoreError::Database(error)),
        }
    }
}

/// A failure of a statement.
fn failed(error: sqlx::Error) -> ArchiveError {
    DbError::from(error).into()
}

impl PgAnalytics {
    /// A transaction for work that takes its time.
    async fn patient_tx(&self) -> Result<SystemTx, ArchiveError> {
        let mut tx = self.database.system_tx().await?;
        tx.conn().execute(PATIENCE).await.map_err(failed)?;
        Ok(tx)
    }

    /// Calls one of the functions that move partitions; they answer nothing.
    async fn call(&self, statement: &'static str, day: Date) -> Result<(), ArchiveError> {
        let mut tx = self.patient_tx().await?;
        sqlx::query(statement)
            .bind(day)
            .execute(tx.conn())
            .await
            .map_err(failed)?;
        Ok(tx.commit().await?)
    }

    /// Makes a transition that moves no partition.
    async fn transit(&self, day: Date, event: DayEvent) -> Result<(), ArchiveError> {
        let mut tx = self.database.system_tx().await?;
        transit(tx.conn(), day, event).await?;
        Ok(tx.commit().await?)
    }
}

#[async_trait]
impl ArchiveStore for PgAnalytics {
    async fn turn(&self) -> Result<Option<Box<dyn Turn>>, ArchiveError> {
        turn::take(self.patient_tx().await?).await
    }

    async fn due(&self, due: Due) -> Result<Vec<Date>, ArchiveError> {
        let mut tx = self.patient_tx().await?;
        let days = due::days(tx.conn(), due).await?;
        tx.commit().await?;
        Ok(days)
    }

    async fn plan(&self, day: Date) -> Result<(), ArchiveError> {
        let mut tx = self.database.system_tx().await?;
        due::plan(tx.conn(), day).await?;
        Ok(tx.commit().await?)
    }

    async fn open_days(&self) -> Result<Vec<ArchiveDay>, ArchiveError> {
        let mut tx = self.database.system_tx().await?;
        let rows: Vec<DayRow> = sqlx::query_as(
            "select day, edition, state, reason, restored_until from archive_days
             where state not in ('dropped', 'restored') or not swept order by day",
        )
        .fetch_all(tx.conn())
        .await
        .map_err(failed)?;
        tx.commit().await?;
        rows.into_iter().map(DayRow::parse).collect()
    }

    async fn find(&self, day: Date) -> Result<Option<ArchiveDay>, ArchiveError> {
        let mut tx = self.database.system_tx().await?;
        let row: Option<DayRow> = sqlx::query_as(
            "select day, edition, state, reason, restored_until from archive_days where day = $1",
        )
        .bind(day)
        .fetch_optional(tx.conn())
        .await
        .map_err(failed)?;
        tx.commit().await?;
        row.map(DayRow::parse).transpose()
    }

    async fn summary(&self) -> Result<ArchiveSummary, ArchiveError> {
        let mut tx = self.database.system_tx().await?;
        let days: Vec<(String, i64)> = sqlx::query_as(
            "select state, count(*) from archive_days group by state order by state",
        )
        .fetch_all(tx.conn())
        .await
        .map_err(failed)?;
        let (rows, bytes): (i64, i64) = sqlx::query_as(
            "select coalesce(sum(rows), 0)::bigint, coalesce(sum(bytes), 0)::bigint
             from archive_files where answers",
        )
        .fetch_one(tx.conn())
        .await
        .map_err(failed)?;
        tx.commit().await?;
        Ok(ArchiveSummary { days, rows, bytes })
    }

    async fn detach(&self, day: Date) -> Result<(), ArchiveError> {
        // The first call may only have made the promise, the second reads the partition for it.
        for _ in 0..2 {
            self.call("select archive_promise($1)", day).await?;
        }
        tradepost_crash::point("metrics.archive.promised");
        self.call("select archive_detach($1)", day).await
    }

    async fn rows(&self, day: Date, out: RowsOut) -> Result<i64, ArchiveError> {
        let mut tx = self.patient_tx().await?;
        let sent = rows::send(tx.conn(), (&self.database, day), &out).await?;
        tx.commit().await?;
        // All of it was there: only now is the end an end.
        let _ = out.send(None).await;
        Ok(sent)
    }

    async fn exported(&self, day: &ArchiveDay, files: &[FileFacts]) -> Result<(), ArchiveError> {
        let mut tx = self.patient_tx().await?;
        transit(tx.conn(), day.day, DayEvent::Exported).await?;
        manifest::replace(tx.conn(), day, files).await?;
        Ok(tx.commit().await?)
    }

    async fn files(&self, day: &ArchiveDay, which: Files) -> Result<Vec<FileFacts>, ArchiveError> {
        let mut tx = self.patient_tx().await?;
        let files = manifest::load(tx.conn(), day, which).await?;
        tx.commit().await?;
        Ok(files)
    }

    async fn count(&self, day: Date) -> Result<DayCount, ArchiveError> {
        let mut tx = self.patient_tx().await?;
        let counted = counting::count(tx.conn(), day).await?;
        tx.commit().await?;
        Ok(counted)
    }

    async fn verified(&self, day: &ArchiveDay) -> Result<(), ArchiveError> {
        let mut tx = self.database.system_tx().await?;
        transit(tx.conn(), day.day, DayEvent::Verified).await?;
        sqlx::query("update archive_files set verified_at = now() where day = $1 and edition = $2")
            .bind(day.day)
            .bind(day.edition)
            .execute(tx.conn())
            .await
            .map_err(failed)?;
        Ok(tx.commit().await?)
    }

    async fn differed(&self, day: &ArchiveDay, reason: &str) -> Result<(), ArchiveError> {
        let reason = reason.to_owned();
        self.transit(day.day, DayEvent::Differed { reason }).await
    }

    async fn drop_rows(&self, day: Date) -> Result<(), ArchiveError> {
        self.call("select archive_drop($1)", day).await
    }

    async fn retried(&self, day: Date) -> Result<(), ArchiveError> {
        self.transit(day, DayEvent::Retried).await
    }

    async fn paths(&self, day: Date) -> Result<(BTreeSet<String>, bool), ArchiveError> {
        let mut tx = self.database.system_tx().await?;
        let swept: Option<bool> =
            sqlx::query_scalar("select swept from archive_days where day = $1")
                .bind(day)
                .fetch_optional(tx.conn())
                .await
                .map_err(failed)?;
        let paths: Vec<String> =
            sqlx::query_scalar("select path from archive_files where day = $1")
                .bind(day)
                .fetch_all(tx.conn())
                .await
                .map_err(failed)?;
        tx.commit().await?;
        Ok((paths.into_iter().collect(), swept.unwrap_or(true)))
    }

    async fn swept(&self, day: Date) -> Result<(), ArchiveError> {
        self.call("update archive_days set swept = true where day = $1", day)
            .await
    }
}

/// The partition of a day that leaves, as a name for statements: the database quotes it. Who reads it
/// alone keeps no other day from being moved.
async fn leaving(conn: &mut PgConnection, day: Date) -> Result<String, ArchiveError> {
    let asked = sqlx::query_scalar("select archive_leaving($1)").bind(day);
    asked.fetch_one(conn).await.map_err(failed)
}

/// Makes a transition that moves no partition, if it is the day's turn.
async fn transit(
    conn: &mut PgConnection,
    day: Date,
    event: DayEvent,
) -> Result<ArchiveDay, ArchiveError> {
    let row: Option<DayRow> = sqlx::query_as(
        "select day, edition, state, reason, restored_until from archive_days
         where day = $1 for update",
    )
    .bind(day)
    .fetch_optional(&mut *conn)
    .await
    .map_err(failed)?;
    let found = row.ok_or(ArchiveError::NoSuchDay(day))?.parse()?;
    let state = found.state.on(event)?;
    let reason = match &state {
        DayState::Failed { reason } => Some(reason.as_str()),
        DayState::Planned
        | DayState::Detached
        | DayState::Exported
        | DayState::Verified
        | DayState::Dropped
        | DayState::Restoring { .. }
        | DayState::Restored { .. } => None,
    };
    sqlx::query(
        "update archive_days set state = $2, reason = $3, changed_at = now() where day = $1",
    )
    .bind(day)
    .bind(state.word())
    .bind(reason)
    .execute(conn)
    .await
    .map_err(failed)?;
    Ok(ArchiveDay { state, ..found })
}

#[derive(sqlx::FromRow)]
struct DayRow {
    day: Date,
    edition: i32,
    state: String,
    reason: Option<String>,
    restored_until: Option<Date>,
}

impl DayRow {
    fn parse(self) -> Result<ArchiveDay, ArchiveError> {
        let reason = self.reason.unwrap_or_default();
        let until = self.restored_until;
        let state = match self.state.as_str() {
            "planned" => DayState::Planned,
            "detached" => DayState::Detached,
            "exported" => DayState::Exported,
            "verified" => DayState::Verified,
            "dropped" => DayState::Dropped,
            "failed" => DayState::Failed { reason },
            "restoring" => DayState::Restoring { until },
            "restored" => DayState::Restored { until },
            _ => return Err(super::times::broken("state").into()),
        };
        Ok(ArchiveDay {
            day: self.day,
            edition: self.edition,
            state,
        })
    }
}
