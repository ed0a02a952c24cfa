//! A refresh token is claimed once; whoever comes too late learns of the successor, or is found
//! out (ADR 0024).

use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;
use tradepost_types::SessionId;
use uuid::Uuid;

use super::sessions::lock_session;
use super::{PgIdentity, trail};
use crate::adapters::postgres::revocation;
use crate::domain::audit::Outcome;
use crate::domain::revocation::Revoked;
use crate::domain::session::{Presented, Standing, Verdict};
use crate::ports::identity::{Author, Claim, Opened, RefreshHash, Refreshed, StoreError};

#[derive(FromRow)]
struct TokenRow {
    expires_at: OffsetDateTime,
    used_at: Option<OffsetDateTime>,
    replays: i32,
    successor_sealed: Option<Vec<u8>>,
    successor_used_at: Option<OffsetDateTime>,
    successor_expires_at: Option<OffsetDateTime>,
    now: OffsetDateTime,
}

impl PgIdentity {
    pub(super) async fn refresh_once(
        &self,
        claim: &Claim,
        author: &Author,
    ) -> Result<Refreshed, StoreError> {
        let mut tx = self.database.system_tx().await?;
        let session = session_of(tx.conn(), claim.presented).await?;
        let locked = match session {
            Some(session) => lock_session(tx.conn(), session).await?,
            None => None,
        };
        let Some(standing) = locked.filter(|locked| locked.client == claim.client) else {
            tx.rollback().await;
            return Ok(Refreshed::Invalid);
        };
        let row = token(tx.conn(), claim.presented).await?;
        let presented = Presented {
            expires_at: row.expires_at,
            used_at: row.used_at,
            replays: row.replays,
            is_successor_used: row.successor_used_at.is_some(),
        };
        let standing = Standing {
            now: row.now,
            ..standing
        };
        let refreshed = match presented.judge(row.now, &claim.lifetimes) {
            Verdict::Claim => {
                let opened = succeed(tx.conn(), claim, standing).await?;
                let tenant = opened.standing.tenant;
                let entry = trail::entry(author, tenant, "session.refresh", Outcome::Succeeded)
                    .during(opened.standing.session)
                    .on(opened.standing.session)
                    .with("user", opened.standing.user);
                trail::append(tx.conn(), &entry).await?;
                Refreshed::Claimed(opened)
            }
            Verdict::Replay => replay(tx.conn(), claim, standing, row).await?,
            Verdict::Superseded => Refreshed::Superseded,
            Verdict::Reused => end_family(tx.conn(), &standing, author).await?,
            Verdict::Expired => Refreshed::Invalid,
        };
        match refreshed {
            Refreshed::Claimed(_) | Refreshed::Replayed(..) | Refreshed::Reused(..) => {
                tx.commit().await?;
            }
            Refreshed::Superseded | Refreshed::Invalid => tx.rollback().await,
        }
        Ok(refreshed)
    }
}

async fn session_of(
    conn: &mut PgConnection,
    presented: RefreshHash,
) -> Result<Option<SessionId>, StoreError> {
    let found: Option<Uuid> =
        sqlx::query_scalar("select session_id from refresh_tokens where token_hash = $1")
            .bind(presented.0.as_slice())
            .fetch_optional(conn)
            .await?;
    Ok(found.map(SessionId::from_uuid))
}

/// The token as it is now that its session is locked.
async fn token(conn: &mut PgConnection, presented: RefreshHash) -> Result<TokenRow, StoreError> {
    let row = sqlx::query_as(
        "select t.expires_at, t.used_at, t.replays, t.successor_sealed,
             n.used_at as successor_used_at, n.expires_at as successor_expires_at,
             clock_timestamp() as now
         from refresh_tokens t
         left join refresh_tokens n on n.token_hash = t.successor_hash
         where t.token_hash = $1",
    )
    .bind(presented.0.as_slice())
    .fetch_one(conn)
    .await?;
    Ok(row)
}

/// The claim itself: one statement, and it counts only if it found the token unused.
async fn succeed(
    conn: &mut PgConnection,
    claim: &Claim,
    standing: Standing,
) -> Result<Opened, StoreError> {
    let claimed = sqlx::query(
        "update refresh_tokens
         set used_at = $2, successor_hash = $3, successor_sealed = $4
         where token_hash = $1 and used_at is null",
    )
    .bind(claim.presented.0.as_slice())
    .bind(standing.now)
    .bind(claim.successor.hash.0.as_slice())
    .bind(&claim.successor.sealed)
    .execute(&mut *conn)
    .await?;
    if claimed.rows_affected() != 1 {
        // Impossible under the session's lock.
        return Err(sqlx::Error::RowNotFound.into());
    }
    let refresh_expires_at = sqlx::query_scalar(
        "with used as (
             update sessions set last_used_at = $3 where session_id = $2
             returning session_id, expires_at
         )
         insert into refresh_tokens (token_hash, session_id, issued_at, expires_at)
         select $1, session_id, $3, least($3 + $4 * interval '1 second', expires_at) from used
         returning expires_at",
    )
    .bind(claim.successor.hash.0.as_slice())
    .bind(standing.session.as_uuid())
    .bind(standing.now)
    .bind(claim.lifetimes.refresh.as_seconds_f64())
    .fetch_one(conn)
    .await?;
    Ok(Opened {
        standing,
        refresh_expires_at,
    })
}

async fn replay(
    conn: &mut PgConnection,
    claim: &Claim,
    standing: Standing,
    row: TokenRow,
) -> Result<Refreshed, StoreError> {
    let (Some(sealed), Some(refresh_expires_at)) = (row.successor_sealed, row.successor_expires_at)
    else {
        return Err(sqlx::Error::RowNotFound.into());
    };
    sqlx::query("update refresh_tokens set replays = replays + 1 where token_hash = $1")
        .bind(claim.presented.0.as_slice())
        .execute(conn)
        .await?;
    let opened = Opened {
        standing,
        refresh_expires_at,
    };
    Ok(Refreshed::Replayed(opened, sealed))
}

/// Two hold what one should: the session ends for both.
async fn end_family(
    conn: &mut PgConnection,
    standing: &Standing,
    author: &Author,
) -> Result<Refreshed, StoreError> {
    let session = standing.session;
    sqlx::query(
        "update sessions set revoked_at = clock_timestamp(), revoked_reason = 'refresh token reused'
         where session_id = $1",
    )
    .bind(session.as_uuid())
    .execute(&mut *conn)
    .await?;
    let revoked = revocation::revoke(conn, Revoked::Session(session)).await?;
    let action = "session.refresh_reuse";
    let entry = trail::entry(author, standing.tenant, action, Outcome::Denied)
        .during(session)
        .on(session)
        .with("user", standing.user);
    trail::append(conn, &entry).await?;
    Ok(Refreshed::Reused(session, Some(revoked)))
}
