//! The days on their way back.

use async_trait::async_trait;
use sqlx::{Executor, PgConnection};
use time::Date;
use tradepost_postgres::Database;

use super::super::PgAnalytics;
use super::super::copy::{self, Row, Rows};
use super::failed;
use super::names::Numbers;
use crate::domain::DayState;
use crate::ports::{ArchiveError, FileStoreError, ReturnStore, RowsIn};
use crate::tally::EventRows;

#[async_trait]
impl ReturnStore for PgAnalytics {
    async fn give_back(&self, day: Date, until: Option<Date>) -> Result<DayState, ArchiveError> {
        let mut tx = self.patient_tx().await?;
        let state: String = sqlx::query_scalar("select archive_give_back($1, $2)")
            .bind(day)
            .bind(until)
            .fetch_one(tx.conn())
            .await
            .map_err(failed)?;
        tx.commit().await?;
        Ok(if state == "restored" {
            DayState::Restored { until }
        } else {
            DayState::Dropped
        })
    }

    async fn return_begin(&self, day: Date, until: Option<Date>) -> Result<(), ArchiveError> {
        let mut tx = self.patient_tx().await?;
        tx.conn()
            .execute(sqlx::query("select archive_return_begin($1)").bind(day))
            .await
            .map_err(failed)?;
        keep(tx.conn(), day, until).await?;
        Ok(tx.commit().await?)
    }

    async fn load(&self, day: Date, mut rows: RowsIn) -> Result<i64, ArchiveError> {
        let mut numbers = Numbers::default();
        let mut loaded = 0;
        loop {
            let message = rows.recv().await;
            let message = message.ok_or(ArchiveError::Files(FileStoreError::Interrupted))?;
            let Some(some) = message else {
                return Ok(loaded);
            };
            loaded += i64::try_from(some.len()).unwrap_or_default();
            let bytes = copied(&some, &self.database, &mut numbers).await?;
            let mut tx = self.patient_tx().await?;
            insert(tx.conn(), day, &bytes).await?;
            tx.commit().await?;
            tradepost_crash::point("metrics.archive.loading");
        }
    }

    async fn return_finish(&self, day: Date) -> Result<(), ArchiveError> {
        self.call(
            "select archive_return_finish(day, restored_until) from archive_days where day = $1",
            day,
        )
        .await
    }

    async fn return_abandon(&self, day: Date) -> Result<(), ArchiveError> {
        self.call("select archive_return_abandon($1)", day).await
    }

    async fn keep_until(&self, day: Date, until: Option<Date>) -> Result<(), ArchiveError> {
        let mut tx = self.database.system_tx().await?;
        keep(tx.conn(), day, until).await?;
        Ok(tx.commit().await?)
    }
}

async fn keep(conn: &mut PgConnection, day: Date, until: Option<Date>) -> Result<(), ArchiveError> {
    sqlx::query(
        "update archive_days set restored_until = $2
         where day = $1 and state in ('restoring', 'restored')",
    )
    .bind(day)
    .bind(until)
    .execute(conn)
    .await
    .map_err(failed)?;
    Ok(())
}

/// Rows as COPY takes them.
async fn copied(
    some: &EventRows,
    database: &Database,
    numbers: &mut Numbers,
) -> Result<Vec<u8>, ArchiveError> {
    let mut rows = Rows::with_capacity(some.len());
    for event in some.iter() {
        numbers.turn_to(database, event.tenant.as_uuid()).await?;
        rows.push(&Row {
            tenant: event.tenant.as_uuid(),
            at_ms: event.at_ms,
            event_id: event.id,
            value: event.value,
            type_id: numbers.number(event.event_type)?,
            user: event.user,
        });
    }
    Ok(rows.finish())
}

/// COPY goes into the staging table, as in `store`. Only while the day is being restored: a loader
/// that lost its turn must not add to what another one loads.
async fn insert(conn: &mut PgConnection, day: Date, bytes: &[u8]) -> Result<(), ArchiveError> {
    let held: Option<Date> = sqlx::query_scalar(
        "select day from archive_days where day = $1 and state = 'restoring' for key share",
    )
    .bind(day)
    .fetch_optional(&mut *conn)
    .await
    .map_err(failed)?;
    if held.is_none() {
        return Err(ArchiveError::Refused(format!(
            "the day {day} is not being restored"
        )));
    }
    conn.execute("select events_stage()")
        .await
        .map_err(failed)?;
    let mut copy = conn.copy_in_raw(copy::STATEMENT).await.map_err(failed)?;
    copy.send(bytes).await.map_err(failed)?;
    copy.finish().await.map_err(failed)?;
    conn.execute(
        "insert into returning_events (tenant_id, event_time, event_id, value, type_id, user_id)
         select tenant_id, event_time, event_id, value, type_id, user_id
         from pg_temp.staged_events",
    )
    .await
    .map_err(failed)?;
    Ok(())
}
