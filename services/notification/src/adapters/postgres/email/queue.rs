//! What is due: taken on lease, and what came of it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::PgConnection;
use tradepost_postgres::{DbError, retrying};

use super::super::channels::follow_history;
use super::super::preferences::of_readers;
use super::rows::{LeasedRow, state_name};
use super::{PgEmails, follow};
use crate::domain::Preferences;
use crate::domain::email::{Answer, Verdict};
use crate::ports::channels::{ChannelQueue, Followed, Noting};
use crate::ports::email::{AddressStanding, EmailAges, EmailState, Emails, Leased, Noted};

#[async_trait]
impl ChannelQueue<Emails> for PgEmails {
    async fn follow(&self, limit: u32) -> Result<Followed, DbError> {
        follow_history(&self.database, &follow::CURSOR, limit, self).await
    }

    async fn lease(
        &self,
        limit: usize,
        each_max: u32,
        lease: Duration,
    ) -> Result<Vec<Leased>, DbError> {
        let mut tx = self.database.system_tx().await?;
        // One at a time, so that they are counted right; it takes a moment only.
        sqlx::query("select pg_advisory_xact_lock(hashtextextended('email_leases', 0))")
            .execute(tx.conn())
            .await?;
        let rows: Vec<LeasedRow> = sqlx::query_as(include_str!("lease_due.sql"))
            .bind(i64::from(each_max))
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .bind(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX))
            .fetch_all(tx.conn())
            .await?;
        if rows.is_empty() {
            tx.rollback().await;
            return Ok(Vec::new());
        }
        let leased = with_preferences(tx.conn(), rows).await?;
        tx.commit().await?;
        Ok(leased)
    }

    async fn note(
        &self,
        leased: &Leased,
        noted: Noted,
    ) -> Result<Noting<AddressStanding>, DbError> {
        retrying(|| self.try_note(leased, noted)).await
    }

    async fn prune(&self, kept_days: u32, limit: i64) -> Result<u64, DbError> {
        let mut tx = self.database.system_tx().await?;
        let deleted = sqlx::query(
            "delete from emails
             where ctid = any (array(
                 select ctid from emails
                 where created_at < statement_timestamp() - $1 * interval '1 day'
                 order by created_at
                 limit $2
                 for update skip locked))",
        )
        .bind(i64::from(kept_days))
        .bind(limit)
        .execute(tx.conn())
        .await?;
        sqlx::query(
            "delete from email_messages
             where ctid = any (array(
                 select m.ctid from email_messages m
                 where m.created_at < statement_timestamp() - $1 * interval '1 day'
                   and not exists (
                       select from emails e
                       where e.tenant_id = m.tenant_id
                         and e.notification_id = m.notification_id)
                 order by m.created_at
                 limit $2))",
        )
        .bind(i64::from(kept_days))
        .bind(limit)
        .execute(tx.conn())
        .await?;
        tx.commit().await?;
        Ok(deleted.rows_affected())
    }
}

#[async_trait]
impl EmailAges for PgEmails {
    async fn oldest_due(&self) -> Result<Option<Duration>, DbError> {
        let mut tx = self.database.system_tx().await?;
        let seconds: Option<f64> = sqlx::query_scalar(include_str!("oldest_due.sql"))
            .fetch_one(tx.conn())
            .await?;
        tx.commit().await?;
        Ok(seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()))
    }
}

async fn with_preferences(
    conn: &mut PgConnection,
    rows: Vec<LeasedRow>,
) -> Result<Vec<Leased>, DbError> {
    let (tenants, users): (Vec<_>, Vec<_>) = rows
        .iter()
        .map(|row| (row.tenant_id, row.user_id.as_str()))
        .unzip();
    let known = of_readers(conn, &tenants, &users).await?;
    let mut wishes = vec![Preferences::default(); rows.len()];
    for (place, preferred) in known {
        // Places count from 1.
        let at = usize::try_from(place - 1).ok();
        if let Some(wish) = at.and_then(|at| wishes.get_mut(at)) {
            *wish = Arc::unwrap_or_clone(preferred.preferences);
        }
    }
    let rows = rows.into_iter().zip(wishes);
    rows.map(|(row, wishes)| row.leased(wishes)).collect()
}

impl PgEmails {
    /// An address is locked before its e-mails, as whoever deletes it does.
    async fn try_note(
        &self,
        leased: &Leased,
        noted: Noted,
    ) -> Result<Noting<AddressStanding>, DbError> {
        let mut tx = self.database.system_tx().await?;
        let (done, standing) = match noted {
            Noted::Quiet(until) => {
                let is_done = note_quiet(tx.conn(), leased, until).await?;
                (is_done, AddressStanding::Kept)
            }
            Noted::Tried {
                verdict: Verdict::Refused,
                answer,
            } => note_refusal(tx.conn(), leased, answer).await?,
            Noted::Tried { verdict, answer } => {
                let is_done = note_attempt(tx.conn(), leased, verdict, answer).await?;
                (is_done, AddressStanding::Kept)
            }
        };
        if !done {
            tx.rollback().await;
            return Ok(Noting::TooLate);
        }
        tx.commit().await?;
        Ok(Noting::Done(standing))
    }
}

/// Whether the lease was the last one.
async fn note_quiet(
    conn: &mut PgConnection,
    leased: &Leased,
    until: time::OffsetDateTime,
) -> Result<bool, DbError> {
    let updated = sqlx::query(
        "update emails set next_attempt_at = $4, leased_until = null
         where tenant_id = $1 and email_id = $2 and lease = $3 and leased_until is not null",
    )
    .bind(leased.tenant.as_uuid())
    .bind(leased.id.as_uuid())
    .bind(leased.lease)
    .bind(until)
    .execute(conn)
    .await?;
    Ok(updated.rows_affected() == 1)
}

/// Marks the address as refused, if it is still the one, and ends all that waits for it. If it is
/// another one by now, the e-mail goes there.
async fn note_refusal(
    conn: &mut PgConnection,
    leased: &Leased,
    answer: Answer,
) -> Result<(bool, AddressStanding), DbError> {
    let marked = sqlx::query(
        "update email_addresses set refused_at = clock_timestamp()
         where tenant_id = $1 and user_id = $2 and address = $3",
    )
    .bind(leased.tenant.as_uuid())
    .bind(&leased.user)
    .bind(leased.to.as_ref().map(|to| to.expose()))
    .execute(&mut *conn)
    .await?;
    if marked.rows_affected() == 0 {
        let again = Verdict::Again(Duration::ZERO);
        let is_done = note_attempt(conn, leased, again, answer).await?;
        return Ok((is_done, AddressStanding::Kept));
    }
    if !note_attempt(conn, leased, Verdict::Refused, answer).await? {
        return Ok((false, AddressStanding::Kept));
    }
    sqlx::query(END_WAITING)
        .bind(leased.tenant.as_uuid())
        .bind(&leased.user)
        .execute(conn)
        .await?;
    Ok((true, AddressStanding::Refused))
}

/// Ends what waits for a user's address. Whoever is at one of them notes nothing any more.
pub(super) const END_WAITING: &str = "update emails
     set state = 'failed', last_status = null, last_error = 'no_address',
         leased_until = null, lease = lease + 1
     where tenant_id = $1 and user_id = $2 and state = 'pending'";

/// Whether the lease was the last one.
async fn note_attempt(
    conn: &mut PgConnection,
    leased: &Leased,
    verdict: Verdict,
    answer: Answer,
) -> Result<bool, DbError> {
    let (state, pause) = match verdict {
        Verdict::Sent => (EmailState::Sent, None),
        Verdict::Again(pause) => (EmailState::Pending, Some(pause)),
        Verdict::Failed | Verdict::Refused => (EmailState::Failed, None),
    };
    let (status, error) = match answer {
        Answer::Taken(code) => (Some(i32::from(code)), None),
        Answer::Refused { code, .. } => (Some(i32::from(code)), Some("reply")),
        Answer::None(fault) => (None, Some(fault.name())),
    };
    let pause_ms = pause.map(|pause| i64::try_from(pause.as_millis()).unwrap_or(i64::MAX));
    let updated = sqlx::query(
        "update emails
         set state = $4,
             attempts = attempts + 1,
             next_attempt_at = case
                 when $5::bigint is null then next_attempt_at
                 else clock_timestamp() + $5 * interval '1 millisecond' end,
             leased_until = null,
             last_status = $6,
             last_error = $7
         where tenant_id = $1 and email_id = $2 and lease = $3 and leased_until is not null",
    )
    .bind(leased.tenant.as_uuid())
    .bind(leased.id.as_uuid())
    .bind(leased.lease)
    .bind(state_name(state))
    .bind(pause_ms)
    .bind(status)
    .bind(error)
    .execute(conn)
    .await?;
    Ok(updated.rows_affected() == 1)
}
