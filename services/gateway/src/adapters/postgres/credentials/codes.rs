//! Authorization codes: a code is taken and its session opened in one transaction.

use async_trait::async_trait;
use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;
use tradepost_postgres::{DbError, retrying};
use tradepost_types::{ClientId, SessionId, UserId};
use uuid::Uuid;

use super::{PgCredentials, broken};
use crate::adapters::postgres::audit;
use crate::adapters::postgres::identity::{sessions, standing, trail};
use crate::adapters::postgres::revocation::revoke;
use crate::domain::audit::Outcome;
use crate::domain::oauth::{CodeFault, Redemption, StoredCode};
use crate::domain::pkce::Challenge;
use crate::domain::revocation::{Revocation, Revoked};
use crate::domain::rights::Rights;
use crate::domain::session::Standing;
use crate::ports::credentials::{CodeStore, NewCode, RedeemError, Redeemed, Redeeming};
use crate::ports::identity::{Author, OpenError, Opened, StoreError};

#[async_trait]
impl CodeStore for PgCredentials {
    async fn add(&self, new: &NewCode, author: &Author) -> Result<(), StoreError> {
        let added = retrying(|| self.try_add_code(new, author)).await;
        added.map_err(StoreError::from)
    }

    async fn redeem(
        &self,
        redeeming: &Redeeming,
        author: &Author,
    ) -> Result<Redeemed, RedeemError> {
        retrying(|| self.try_redeem(redeeming, author)).await?
    }
}

#[derive(FromRow)]
struct Row {
    client_id: Uuid,
    user_id: Uuid,
    redirect_uri: String,
    challenge: [u8; 32],
    scope: String,
    proof_at: Option<OffsetDateTime>,
    expires_at: OffsetDateTime,
    agreed_in: Uuid,
    session_id: Option<Uuid>,
    now: OffsetDateTime,
}

impl PgCredentials {
    async fn try_add_code(&self, new: &NewCode, author: &Author) -> Result<(), DbError> {
        let mut tx = self.database.tenant_tx(new.tenant).await?;
        sqlx::query(
            "insert into authorization_codes
                 (tenant_id, code_hash, client_id, user_id, redirect_uri, challenge, scope,
                  proof_at, agreed_in, expires_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, clock_timestamp() + interval '60 seconds')",
        )
        .bind(new.tenant.as_uuid())
        .bind(new.hash.as_slice())
        .bind(new.client.as_uuid())
        .bind(new.user.as_uuid())
        .bind(&new.redirect_uri)
        .bind(new.challenge.as_bytes().as_slice())
        .bind(new.scope.to_string())
        .bind(new.proof_at)
        .bind(new.session.as_uuid())
        .execute(tx.conn())
        .await?;
        let entry = trail::entry(
            author,
            Some(new.tenant),
            "oauth.authorize",
            Outcome::Succeeded,
        )
        .on(new.client)
        .with("scope", new.scope);
        audit::append(tx.conn(), &entry).await?;
        tx.commit().await
    }

    async fn try_redeem(
        &self,
        redeeming: &Redeeming,
        author: &Author,
    ) -> Result<Result<Redeemed, RedeemError>, StoreError> {
        let mut tx = self.database.system_tx().await?;
        let Some(row) = lock(tx.conn(), redeeming).await? else {
            return Ok(Err(RedeemError::Unknown));
        };
        let stored = StoredCode {
            client: ClientId::from_uuid(row.client_id),
            redirect_uri: row.redirect_uri.clone(),
            challenge: Challenge::from_bytes(row.challenge),
            expires_at: row.expires_at,
            is_used: row.session_id.is_some(),
        };
        let redemption = Redemption {
            client: redeeming.client,
            redirect_uri: &redeeming.redirect_uri,
            verifier: &redeeming.verifier,
        };
        match stored.check(&redemption, row.now) {
            Ok(()) => {}
            Err(CodeFault::Used) => {
                let ended = end_session(tx.conn(), &row).await?;
                let entry = trail::entry(
                    author,
                    Some(redeeming.tenant),
                    "oauth.code_reused",
                    Outcome::Denied,
                )
                .on(stored.client)
                .because("CODE_REUSED");
                audit::append(tx.conn(), &entry).await?;
                tx.commit().await?;
                return Ok(Err(RedeemError::Reused(ended)));
            }
            Err(fault) => return Ok(Err(fault.into())),
        }
        if !still_stands(tx.conn(), redeeming, &row).await? {
            return Ok(Err(OpenError::Barred.into()));
        }
        let Some(opened) = open_session(tx.conn(), redeeming, &row, author).await? else {
            return Ok(Err(OpenError::Barred.into()));
        };
        sqlx::query(
            "update authorization_codes set used_at = now(), session_id = $3
             where tenant_id = $1 and code_hash = $2",
        )
        .bind(redeeming.tenant.as_uuid())
        .bind(redeeming.hash.as_slice())
        .bind(redeeming.session.as_uuid())
        .execute(tx.conn())
        .await?;
        let entry = trail::entry(
            author,
            Some(redeeming.tenant),
            "oauth.redeem",
            Outcome::Succeeded,
        )
        .during(redeeming.session)
        .on(opened.standing.user);
        audit::append(tx.conn(), &entry).await?;
        tx.commit().await?;
        Ok(Ok(Redeemed { opened }))
    }
}

async fn lock(conn: &mut PgConnection, redeeming: &Redeeming) -> Result<Option<Row>, DbError> {
    let row = sqlx::query_as(
        "select client_id, user_id, redirect_uri, challenge, scope, proof_at, expires_at,
                agreed_in, session_id, clock_timestamp() as now
         from authorization_codes
         where tenant_id = $1 and code_hash = $2
         for update",
    )
    .bind(redeeming.tenant.as_uuid())
    .bind(redeeming.hash.as_slice())
    .fetch_optional(conn)
    .await?;
    Ok(row)
}

/// Whether the client is still there and the login in which the user agreed still open. Until the
/// end of the transaction neither changes. Who removes the client or revokes the user later ends the
/// new session too; who only logs out does not, since it is a login of its own by then.
async fn still_stands(
    conn: &mut PgConnection,
    redeeming: &Redeeming,
    row: &Row,
) -> Result<bool, StoreError> {
    let client: Option<i32> = sqlx::query_scalar(
        "select 1 from oauth_clients
         where tenant_id = $1 and client_id = $2 and revoked_at is null
         for share",
    )
    .bind(redeeming.tenant.as_uuid())
    .bind(row.client_id)
    .fetch_optional(&mut *conn)
    .await?;
    if client.is_none() {
        return Ok(false);
    }
    let session = SessionId::from_uuid(row.agreed_in);
    Ok(sessions::lock_session(conn, session).await?.is_some())
}

/// Ends what the first use of a code gave.
async fn end_session(conn: &mut PgConnection, row: &Row) -> Result<Option<Revocation>, DbError> {
    let Some(session) = row.session_id else {
        return Ok(None);
    };
    sqlx::query(
        "update sessions set revoked_at = now(), revoked_reason = 'code_reused'
         where session_id = $1 and revoked_at is null",
    )
    .bind(session)
    .execute(&mut *conn)
    .await?;
    let what = Revoked::Session(SessionId::from_uuid(session));
    revoke(conn, what).await.map(Some)
}

#[derive(FromRow)]
struct OpenedRow {
    created_at: OffsetDateTime,
    refresh_expires_at: OffsetDateTime,
}

/// Opens a session for the user of a code, if the user may still log in there.
async fn open_session(
    conn: &mut PgConnection,
    redeeming: &Redeeming,
    row: &Row,
    author: &Author,
) -> Result<Option<Opened>, StoreError> {
    let user = UserId::from_uuid(row.user_id);
    let Some(role) = standing::lock(conn, user, Some(redeeming.tenant)).await? else {
        return Ok(None);
    };
    let scope: Rights = row.scope.parse().map_err(|_unknown| broken("scope"))?;
    let address = author.address.map(|address| address.to_string());
    let opened: OpenedRow = sqlx::query_as(include_str!("open_session.sql"))
        .bind(redeeming.session.as_uuid())
        .bind(row.user_id)
        .bind(redeeming.tenant.as_uuid())
        .bind(redeeming.client.to_string())
        .bind(scope.to_string())
        .bind(author.user_agent.as_deref().map_or("", shortened))
        .bind(address.unwrap_or_default())
        .bind(row.proof_at)
        .bind(redeeming.lifetimes.session.as_seconds_f64())
        .bind(redeeming.refresh.0.as_slice())
        .bind(redeeming.lifetimes.refresh.as_seconds_f64())
        .fetch_one(conn)
        .await?;
    Ok(Some(Opened {
        standing: Standing {
            session: redeeming.session,
            user,
            tenant: Some(redeeming.tenant),
            role,
            scope: Some(scope),
            client: redeeming.client.to_string(),
            created_at: opened.created_at,
            proof_at: row.proof_at,
            now: opened.created_at,
        },
        refresh_expires_at: opened.refresh_expires_at,
    }))
}

/// As much of a text as names a device.
fn shortened(text: &str) -> &str {
    let end = text
        .char_indices()
        .nth(200)
        .map_or(text.len(), |(at, _)| at);
    text.get(..end).unwrap_or_default()
}
