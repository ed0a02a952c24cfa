//! Writing a revocation, inside the transaction of what it follows from.

use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};
use tradepost_postgres::DbError;

use crate::domain::revocation::{Revocation, Revoked};

/// No access token lives longer, the difference of clocks included.
const KEPT: Duration = Duration::hours(2);

/// Revokes what was issued until now. Whoever issues must hold a lock that the transaction of
/// `conn` waited for before: what is issued after it then knows of the change.
///
/// # Errors
/// As any query.
pub async fn revoke(conn: &mut PgConnection, what: Revoked) -> Result<Revocation, DbError> {
    let all = revoke_all(conn, [what]).await?;
    all.into_iter()
        .next()
        .ok_or(DbError::Query(sqlx::Error::RowNotFound))
}

/// As [`revoke`], for several at once.
///
/// # Errors
/// As any query.
pub async fn revoke_all(
    conn: &mut PgConnection,
    what: impl IntoIterator<Item = Revoked>,
) -> Result<Vec<Revocation>, DbError> {
    let now: OffsetDateTime = sqlx::query_scalar("select clock_timestamp()")
        .fetch_one(&mut *conn)
        .await?;
    let revocations: Vec<Revocation> = what
        .into_iter()
        .map(|what| Revocation {
            what,
            issued_before: now,
            expires_at: now + KEPT,
        })
        .collect();
    let kinds: Vec<&str> = revocations.iter().map(|one| one.what.kind()).collect();
    let subjects: Vec<String> = revocations.iter().map(|one| one.what.subject()).collect();
    sqlx::query(
        "insert into revocations (kind, subject, issued_before, expires_at)
         select u.kind, u.subject, $3, $4 from unnest($1::text[], $2::text[]) as u(kind, subject)",
    )
    .bind(kinds)
    .bind(subjects)
    .bind(now)
    .bind(now + KEPT)
    .execute(conn)
    .await?;
    Ok(revocations)
}
