//! Opening, listing and ending sessions.

use async_trait::async_trait;
use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;
use tradepost_postgres::retrying;
use tradepost_types::{SessionId, TenantId, UserId};
use uuid::Uuid;

use super::rows::{self, SessionRow};
use super::{PgIdentity, standing, trail};
use crate::adapters::postgres::revocation;
use crate::domain::audit::Outcome;
use crate::domain::revocation::{Revocation, Revoked};
use crate::domain::rights::Role;
use crate::domain::session::{Session, Standing};
use crate::ports::identity::{
    Author, Claim, LoginFailure, NewSession, OpenError, Opened, RefreshHash, Refreshed,
    SessionStore, StoreError,
};

/// The most rows that one sweep deletes of a table, so that its transaction stays short.
const SWEEP_BATCH_MAX: i64 = 1_000;

#[async_trait]
impl SessionStore for PgIdentity {
    async fn open(&self, new: &NewSession, author: &Author) -> Result<Opened, OpenError> {
        retrying(|| self.open_once(new, author)).await
    }

    async fn refresh(&self, claim: &Claim, author: &Author) -> Result<Refreshed, StoreError> {
        retrying(|| self.refresh_once(claim, author)).await
    }

    async fn prove(
        &self,
        session: SessionId,
        author: &Author,
    ) -> Result<Option<Standing>, StoreError> {
        retrying(|| self.prove_once(session, author)).await
    }

    async fn list(&self, user: UserId, limit: i64) -> Result<Vec<Session>, StoreError> {
        let mut tx = self.database.system_tx().await?;
        let rows: Vec<SessionRow> = sqlx::query_as(
            "select session_id, user_id, tenant_id, client_id, device, address, created_at,
                 last_used_at, expires_at
             from sessions
             where user_id = $1 and revoked_at is null and expires_at > now()
             order by created_at desc, session_id desc
             limit $2",
        )
        .bind(user.as_uuid())
        .bind(limit)
        .fetch_all(tx.conn())
        .await?;
        tx.rollback().await;
        Ok(rows.into_iter().map(Session::from).collect())
    }

    async fn revoke(
        &self,
        user: UserId,
        session: SessionId,
        reason: &'static str,
        author: &Author,
    ) -> Result<Option<Revocation>, StoreError> {
        retrying(|| self.revoke_once(user, session, reason, author)).await
    }

    async fn revoke_any(
        &self,
        session: SessionId,
        reason: &'static str,
        author: &Author,
    ) -> Result<Option<Revocation>, StoreError> {
        let mut tx = self.database.system_tx().await?;
        let found: Option<Uuid> =
            sqlx::query_scalar("select user_id from sessions where session_id = $1")
                .bind(session.as_uuid())
                .fetch_optional(tx.conn())
                .await?;
        tx.rollback().await;
        match found.map(UserId::from_uuid) {
            Some(user) => self.revoke(user, session, reason, author).await,
            None => Ok(None),
        }
    }

    async fn revoke_by_token(
        &self,
        presented: RefreshHash,
        client: &str,
        author: &Author,
    ) -> Result<Option<Revocation>, StoreError> {
        let mut tx = self.database.system_tx().await?;
        let found: Option<(Uuid, Uuid)> = sqlx::query_as(
            "select s.session_id, s.user_id
             from refresh_tokens t
             join sessions s on s.session_id = t.session_id
             where t.token_hash = $1 and s.client_id = $2",
        )
        .bind(presented.0.as_slice())
        .bind(client)
        .fetch_optional(tx.conn())
        .await?;
        tx.rollback().await;
        let Some((session, user)) = found else {
            return Ok(None);
        };
        let (session, user) = (SessionId::from_uuid(session), UserId::from_uuid(user));
        self.revoke(user, session, "token revoked", author).await
    }

    async fn revoke_everything(&self, author: &Author) -> Result<Revocation, StoreError> {
        let mut tx = self.database.system_tx().await?;
        // Nobody opens or refreshes a session until the end of this.
        sqlx::query("lock table sessions in share row exclusive mode")
            .execute(tx.conn())
            .await?;
        sqlx::query(
            "update sessions set revoked_at = clock_timestamp(), revoked_reason = 'everything'
             where revoked_at is null and expires_at > now()",
        )
        .execute(tx.conn())
        .await?;
        let revoked = revocation::revoke(tx.conn(), Revoked::All).await?;
        let entry = trail::done(author, None, "session.revoke").on("everything");
        trail::append(tx.conn(), &entry).await?;
        tx.commit().await?;
        Ok(revoked)
    }

    async fn login_failed(
        &self,
        failure: &LoginFailure,
        author: &Author,
    ) -> Result<(), StoreError> {
        let mut entry = trail::entry(author, None, "session.login_failed", Outcome::Denied)
            .because(failure.reason);
        if let Some(user) = failure.user {
            entry = entry.on(user);
        }
        retrying(async || {
            let mut tx = self.database.system_tx().await?;
            trail::append(tx.conn(), &entry).await?;
            tx.commit().await?;
            Ok(())
        })
        .await
    }

    async fn sweep(&self) -> Result<u64, StoreError> {
        let mut gone = 0;
        for statement in SWEEPS {
            let mut tx = self.database.system_tx().await?;
            let deleted = sqlx::query(statement)
                .bind(SWEEP_BATCH_MAX)
                .execute(tx.conn())
                .await?;
            tx.commit().await?;
            gone += deleted.rows_affected();
        }
        Ok(gone)
    }
}

/// What ran out, and users who are nothing anywhere any more.
const SWEEPS: [&str; 6] = [
    "delete from refresh_tokens where ctid = any (array(
         select ctid from refresh_tokens where expires_at < now() - interval '1 day' limit $1))",
    "delete from sessions where ctid = any (array(
         select ctid from sessions where expires_at < now() - interval '30 days' limit $1))",
    "delete from authorization_codes where ctid = any (array(
         select ctid from authorization_codes where expires_at < now() - interval '1 day' limit $1))",
    "delete from connection_tickets where ctid = any (array(
         select ctid from connection_tickets where expires_at < now() limit $1))",
    "delete from revocations where ctid = any (array(
         select ctid from revocations where expires_at < now() limit $1))",
    "delete from users where user_id = any (array(
         select u.user_id from users u
         where not u.is_operator and u.updated_at < now() - interval '1 hour'
           and not exists (select from memberships m where m.user_id = u.user_id)
         limit $1 for update skip locked))",
];

#[derive(FromRow)]
struct OpenedRow {
    created_at: OffsetDateTime,
    proof_at: Option<OffsetDateTime>,
    refresh_expires_at: OffsetDateTime,
}

impl PgIdentity {
    async fn open_once(&self, new: &NewSession, author: &Author) -> Result<Opened, OpenError> {
        let mut tx = self.database.system_tx().await?;
        let Some(role) = standing::lock(tx.conn(), new.user, new.tenant).await? else {
            tx.rollback().await;
            return Err(OpenError::Barred);
        };
        let address = author.address.map(|address| address.to_string());
        let row: OpenedRow = sqlx::query_as(INSERT)
            .bind(new.session.as_uuid())
            .bind(new.user.as_uuid())
            .bind(new.tenant.map(TenantId::as_uuid))
            .bind(&new.client)
            .bind(new.scope.map(|scope| scope.to_string()))
            .bind(&new.device)
            .bind(address.unwrap_or_default())
            .bind(new.is_proved)
            .bind(new.lifetimes.session.as_seconds_f64())
            .bind(new.refresh.0.as_slice())
            .bind(new.lifetimes.refresh.as_seconds_f64())
            .fetch_one(tx.conn())
            .await?;
        let mut entry = trail::done(author, new.tenant, "session.login")
            .during(new.session)
            .on(new.user)
            .with("client", &new.client);
        if new.is_proved {
            entry = entry.with("second_factor", true);
        }
        trail::append(tx.conn(), &entry).await?;
        tx.commit().await?;
        Ok(Opened {
            standing: new.standing(role, &row),
            refresh_expires_at: row.refresh_expires_at,
        })
    }

    async fn prove_once(
        &self,
        session: SessionId,
        author: &Author,
    ) -> Result<Option<Standing>, StoreError> {
        let mut tx = self.database.system_tx().await?;
        let Some(locked) = lock_session(tx.conn(), session).await? else {
            tx.rollback().await;
            return Ok(None);
        };
        sqlx::query("update sessions set proof_at = $2 where session_id = $1")
            .bind(session.as_uuid())
            .bind(locked.now)
            .execute(tx.conn())
            .await?;
        let entry = trail::done(author, locked.tenant, "session.step_up").on(session);
        trail::append(tx.conn(), &entry).await?;
        tx.commit().await?;
        let now = Some(locked.now);
        Ok(Some(Standing {
            proof_at: now,
            ..locked
        }))
    }

    async fn revoke_once(
        &self,
        user: UserId,
        session: SessionId,
        reason: &'static str,
        author: &Author,
    ) -> Result<Option<Revocation>, StoreError> {
        let mut tx = self.database.system_tx().await?;
        let ended: Option<Option<Uuid>> = sqlx::query_scalar(
            "update sessions set revoked_at = clock_timestamp(), revoked_reason = $3
             where session_id = $1 and user_id = $2 and revoked_at is null and expires_at > now()
             returning tenant_id",
        )
        .bind(session.as_uuid())
        .bind(user.as_uuid())
        .bind(reason)
        .fetch_optional(tx.conn())
        .await?;
        let Some(tenant) = ended else {
            tx.rollback().await;
            return Ok(None);
        };
        let revoked = revocation::revoke(tx.conn(), Revoked::Session(session)).await?;
        let tenant = tenant.map(TenantId::from_uuid);
        let entry = trail::done(author, tenant, "session.revoke")
            .on(session)
            .with("user", user)
            .because(reason);
        trail::append(tx.conn(), &entry).await?;
        tx.commit().await?;
        Ok(Some(revoked))
    }
}

impl NewSession {
    fn standing(&self, role: Role, row: &OpenedRow) -> Standing {
        Standing {
            session: self.session,
            user: self.user,
            tenant: self.tenant,
            role,
            scope: self.scope,
            client: self.client.clone(),
            created_at: row.created_at,
            proof_at: row.proof_at,
            now: row.created_at,
        }
    }
}

const INSERT: &str = "
with opened as (
    insert into sessions (session_id, user_id, tenant_id, client_id, scope, device, address,
        proof_at, created_at, last_used_at, expires_at)
    select $1, $2, $3, $4, $5, $6, $7, case when $8 then at end, at, at,
        at + $9 * interval '1 second'
    from (select clock_timestamp() as at) as c
    returning session_id, created_at, proof_at, expires_at
), token as (
    insert into refresh_tokens (token_hash, session_id, issued_at, expires_at)
    select $10, session_id, created_at,
        least(created_at + $11 * interval '1 second', expires_at)
    from opened
    returning expires_at as refresh_expires_at
)
select created_at, proof_at, refresh_expires_at from opened, token";

#[derive(FromRow)]
struct LockedRow {
    user_id: Uuid,
    tenant_id: Option<Uuid>,
    client_id: String,
    scope: Option<String>,
    created_at: OffsetDateTime,
    proof_at: Option<OffsetDateTime>,
    now: OffsetDateTime,
}

/// What a live session stands for, locked against its end until that of the transaction; `None`
/// when it has ended, or its user may not use the tenant any more.
pub(in crate::adapters::postgres) async fn lock_session(
    conn: &mut PgConnection,
    session: SessionId,
) -> Result<Option<Standing>, StoreError> {
    let found: Option<(Uuid, Option<Uuid>)> =
        sqlx::query_as("select user_id, tenant_id from sessions where session_id = $1")
            .bind(session.as_uuid())
            .fetch_optional(&mut *conn)
            .await?;
    let Some((user, tenant)) = found else {
        return Ok(None);
    };
    let (user, tenant) = (UserId::from_uuid(user), tenant.map(TenantId::from_uuid));
    let Some(role) = standing::lock(conn, user, tenant).await? else {
        return Ok(None);
    };
    let row: Option<LockedRow> = sqlx::query_as(
        "select user_id, tenant_id, client_id, scope, created_at, proof_at,
             clock_timestamp() as now
         from sessions
         where session_id = $1 and revoked_at is null and expires_at > clock_timestamp()
         for no key update",
    )
    .bind(session.as_uuid())
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let scope = row.scope.as_deref().map(str::parse).transpose();
    Ok(Some(Standing {
        session,
        user: UserId::from_uuid(row.user_id),
        tenant: row.tenant_id.map(TenantId::from_uuid),
        role,
        scope: rows::read(session, scope)?,
        client: row.client_id,
        created_at: row.created_at,
        proof_at: row.proof_at,
        now: row.now,
    }))
}
