//! Second factors: all in the system's transactions, since users belong to no tenant.

use async_trait::async_trait;
use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;
use tradepost_postgres::{DbError, retrying};
use tradepost_types::UserId;

use super::PgCredentials;
use crate::adapters::postgres::audit;
use crate::adapters::postgres::identity::trail;
use crate::domain::audit::{Entry, Outcome};
use crate::domain::totp::{Guesses, Step};
use crate::ports::credentials::{Confirmed, EnrolError, Factor, FactorStore, Guessing, Used};
use crate::ports::identity::{Author, StoreError};

#[async_trait]
impl FactorStore for PgCredentials {
    async fn is_enrolled(&self, user: UserId) -> Result<bool, StoreError> {
        self.try_is_enrolled(user).await.map_err(StoreError::from)
    }

    async fn enrol(
        &self,
        user: UserId,
        secret_sealed: &[u8],
        author: &Author,
    ) -> Result<(), EnrolError> {
        let enrolled = retrying(|| self.try_enrol(user, secret_sealed, author)).await;
        match enrolled.map_err(StoreError::from)? {
            true => Ok(()),
            false => Err(EnrolError::Enrolled),
        }
    }

    async fn guess(&self, user: UserId) -> Result<Guessing, StoreError> {
        retrying(|| self.try_guess(user))
            .await
            .map_err(StoreError::from)
    }

    async fn wrong(&self, user: UserId, author: &Author) -> Result<(), StoreError> {
        let entry = trail::entry(author, author.tenant, "mfa.check", Outcome::Denied)
            .on(user)
            .because("CODE_INVALID");
        let recorded = retrying(|| self.try_record(&entry)).await;
        recorded.map_err(StoreError::from)
    }

    async fn right(&self, user: UserId, used: Used, author: &Author) -> Result<bool, StoreError> {
        let taken = retrying(|| self.try_right(user, used, author)).await;
        taken.map_err(StoreError::from)
    }

    async fn confirm(
        &self,
        user: UserId,
        confirmed: &Confirmed,
        author: &Author,
    ) -> Result<bool, StoreError> {
        let is_asked = retrying(|| self.try_confirm(user, confirmed, author)).await;
        is_asked.map_err(StoreError::from)
    }

    async fn replace_recovery(
        &self,
        user: UserId,
        recovery: &[[u8; 32]],
        author: &Author,
    ) -> Result<bool, StoreError> {
        let replaced = retrying(|| self.try_replace_recovery(user, recovery, author)).await;
        replaced.map_err(StoreError::from)
    }

    async fn remove(&self, user: UserId, author: &Author) -> Result<bool, StoreError> {
        let removed = retrying(|| self.try_remove_factor(user, author)).await;
        removed.map_err(StoreError::from)
    }
}

#[derive(FromRow)]
struct Row {
    secret_sealed: Vec<u8>,
    confirmed_at: Option<OffsetDateTime>,
    last_step: Option<i64>,
    failures: i32,
    paused_until: Option<OffsetDateTime>,
    now: OffsetDateTime,
}

impl PgCredentials {
    async fn try_is_enrolled(&self, user: UserId) -> Result<bool, DbError> {
        let mut tx = self.database.system_tx().await?;
        let is_enrolled = sqlx::query_scalar(
            "select exists (select from totp where user_id = $1 and confirmed_at is not null)",
        )
        .bind(user.as_uuid())
        .fetch_one(tx.conn())
        .await?;
        tx.commit().await?;
        Ok(is_enrolled)
    }

    async fn try_enrol(
        &self,
        user: UserId,
        secret_sealed: &[u8],
        author: &Author,
    ) -> Result<bool, DbError> {
        let mut tx = self.database.system_tx().await?;
        // Guesses go on being counted: a new secret is no fresh start for who guesses.
        let enrolled = sqlx::query(
            "insert into totp (user_id, secret_sealed) values ($1, $2)
             on conflict on constraint totp_pk do update
             set secret_sealed = excluded.secret_sealed, last_step = null, created_at = now()
             where totp.confirmed_at is null",
        )
        .bind(user.as_uuid())
        .bind(secret_sealed)
        .execute(tx.conn())
        .await?;
        if enrolled.rows_affected() == 0 {
            return Ok(false);
        }
        let entry = trail::entry(author, author.tenant, "mfa.enrol", Outcome::Succeeded).on(user);
        audit::append(tx.conn(), &entry).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn try_guess(&self, user: UserId) -> Result<Guessing, DbError> {
        let mut tx = self.database.system_tx().await?;
        let row: Option<Row> = sqlx::query_as(
            "select secret_sealed, confirmed_at, last_step, failures, paused_until,
                    clock_timestamp() as now
             from totp where user_id = $1 for update",
        )
        .bind(user.as_uuid())
        .fetch_optional(tx.conn())
        .await?;
        let Some(row) = row else {
            return Ok(Guessing::Absent);
        };
        let guesses = Guesses {
            failures: row.failures,
            paused_until: row.paused_until,
        };
        let guesses = match guesses.guess(row.now) {
            Ok(guesses) => guesses,
            Err(pause) => return Ok(Guessing::Paused(pause)),
        };
        sqlx::query("update totp set failures = $2, paused_until = $3 where user_id = $1")
            .bind(user.as_uuid())
            .bind(guesses.failures)
            .bind(guesses.paused_until)
            .execute(tx.conn())
            .await?;
        tx.commit().await?;
        Ok(Guessing::Counted(Factor {
            secret_sealed: row.secret_sealed,
            confirmed_at: row.confirmed_at,
            last_step: row.last_step.map(Step::from_number),
            now: row.now,
        }))
    }

    async fn try_record(&self, entry: &Entry) -> Result<(), DbError> {
        let mut tx = self.database.system_tx().await?;
        audit::append(tx.conn(), entry).await?;
        tx.commit().await
    }

    async fn try_right(&self, user: UserId, used: Used, author: &Author) -> Result<bool, DbError> {
        let mut tx = self.database.system_tx().await?;
        let (is_first, action) = match used {
            Used::Code(step) => (use_step(tx.conn(), user, step).await?, "mfa.check"),
            Used::Recovery(hash) => (use_recovery(tx.conn(), user, &hash).await?, "mfa.recover"),
        };
        if !is_first {
            return Ok(false);
        }
        let entry = trail::entry(author, author.tenant, action, Outcome::Succeeded).on(user);
        audit::append(tx.conn(), &entry).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn try_confirm(
        &self,
        user: UserId,
        confirmed: &Confirmed,
        author: &Author,
    ) -> Result<bool, DbError> {
        let mut tx = self.database.system_tx().await?;
        let updated = sqlx::query(
            "update totp
             set confirmed_at = now(), last_step = $2, failures = 0, paused_until = null
             where user_id = $1 and confirmed_at is null and secret_sealed = $3",
        )
        .bind(user.as_uuid())
        .bind(confirmed.step.number())
        .bind(&confirmed.secret_sealed)
        .execute(tx.conn())
        .await?;
        if updated.rows_affected() == 0 {
            return Ok(false);
        }
        put_recovery(tx.conn(), user, &confirmed.recovery).await?;
        let entry = trail::entry(author, author.tenant, "mfa.confirm", Outcome::Succeeded).on(user);
        audit::append(tx.conn(), &entry).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn try_replace_recovery(
        &self,
        user: UserId,
        recovery: &[[u8; 32]],
        author: &Author,
    ) -> Result<bool, DbError> {
        let mut tx = self.database.system_tx().await?;
        let locked = sqlx::query(
            "select from totp where user_id = $1 and confirmed_at is not null for update",
        )
        .bind(user.as_uuid())
        .fetch_optional(tx.conn())
        .await?;
        if locked.is_none() {
            return Ok(false);
        }
        put_recovery(tx.conn(), user, recovery).await?;
        let entry = trail::entry(
            author,
            author.tenant,
            "mfa.recovery_codes",
            Outcome::Succeeded,
        )
        .on(user);
        audit::append(tx.conn(), &entry).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn try_remove_factor(&self, user: UserId, author: &Author) -> Result<bool, DbError> {
        let mut tx = self.database.system_tx().await?;
        let removed = sqlx::query("delete from totp where user_id = $1")
            .bind(user.as_uuid())
            .execute(tx.conn())
            .await?;
        if removed.rows_affected() == 0 {
            return Ok(false);
        }
        let entry = trail::entry(author, author.tenant, "mfa.remove", Outcome::Succeeded).on(user);
        audit::append(tx.conn(), &entry).await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// Takes a step if it is later than all that were taken.
async fn use_step(conn: &mut PgConnection, user: UserId, step: Step) -> Result<bool, DbError> {
    let used = sqlx::query(
        "update totp set last_step = $2, failures = 0, paused_until = null
         where user_id = $1 and confirmed_at is not null
           and (last_step is null or last_step < $2)",
    )
    .bind(user.as_uuid())
    .bind(step.number())
    .execute(conn)
    .await?;
    Ok(used.rows_affected() == 1)
}

async fn use_recovery(
    conn: &mut PgConnection,
    user: UserId,
    hash: &[u8; 32],
) -> Result<bool, DbError> {
    let used = sqlx::query(
        "with used as (
             update recovery_codes set used_at = now()
             where user_id = $1 and code_hash = $2 and used_at is null
             returning user_id)
         update totp set failures = 0, paused_until = null
         from used where totp.user_id = used.user_id and totp.confirmed_at is not null",
    )
    .bind(user.as_uuid())
    .bind(hash.as_slice())
    .execute(conn)
    .await?;
    Ok(used.rows_affected() == 1)
}

async fn put_recovery(
    conn: &mut PgConnection,
    user: UserId,
    recovery: &[[u8; 32]],
) -> Result<(), DbError> {
    let hashes: Vec<&[u8]> = recovery.iter().map(<[u8; 32]>::as_slice).collect();
    sqlx::query("delete from recovery_codes where user_id = $1")
        .bind(user.as_uuid())
        .execute(&mut *conn)
        .await?;
    sqlx::query("insert into recovery_codes (user_id, code_hash) select $1, unnest($2::bytea[])")
        .bind(user.as_uuid())
        .bind(hashes)
        .execute(conn)
        .await?;
    Ok(())
}
