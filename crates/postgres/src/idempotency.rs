//! Idempotency keys: the same request, sent again, gets the same answer.
//!
//! [`claim`] is the first statement of a mutating request's transaction, [`complete`] the last, so
//! key, effect and answer are committed together or not at all. [`claim_with_answer`] is both.

use sqlx::PgConnection;
use sqlx::migrate::Migrator;
use time::OffsetDateTime;
use tradepost_types::TenantId;

use crate::DbError;

/// The schema the table lives in; pass it with [`MIGRATOR`] to `Database::migrate`.
pub const SCHEMA: &str = "platform";

/// Creates `platform.idempotency_keys`.
pub static MIGRATOR: Migrator = sqlx::migrate!("./migrations/platform");

/// The most rows that one call of [`prune`] deletes, so that its transaction stays short.
pub const PRUNE_BATCH_MAX: i64 = 1_000;

/// What [`claim`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// Never seen: do the work and [`complete`] it in the same transaction.
    Fresh,
    /// Already done: this is the recorded answer.
    Replay(Vec<u8>),
    /// The id was used for another request: refuse.
    Mismatch,
}

/// Takes the key for this transaction. A concurrent twin waits until the first ends.
///
/// # Errors
/// [`DbError::SerializationFailure`] if the twin's transaction outlasts the lock time-out.
pub async fn claim(
    conn: &mut PgConnection,
    tenant: TenantId,
    operation: &str,
    request_id: &str,
    fingerprint: &[u8; 32],
) -> Result<Claim, DbError> {
    let key = Key {
        tenant,
        operation,
        request_id,
        fingerprint,
    };
    take(conn, &key, None).await
}

/// A request's key.
#[derive(Debug, Clone, Copy)]
pub struct Key<'a> {
    /// Whose request it is.
    pub tenant: TenantId,
    /// The name of the call; keys of different calls have nothing to do with each other.
    pub operation: &'a str,
    /// The id that the caller gave the request.
    pub request_id: &'a str,
    /// The digest of the request: the same id with another is refused.
    pub fingerprint: &'a [u8; 32],
}

/// [`claim`] and [`complete`] in one statement, for work whose answer is known before it is done,
/// such as the id that a new row will have.
///
/// # Errors
/// As [`claim`].
pub async fn claim_with_answer(
    conn: &mut PgConnection,
    key: &Key<'_>,
    answer: &[u8],
) -> Result<Claim, DbError> {
    take(conn, key, Some(answer)).await
}

async fn take(
    conn: &mut PgConnection,
    key: &Key<'_>,
    answer: Option<&[u8]>,
) -> Result<Claim, DbError> {
    let &Key {
        tenant,
        operation,
        request_id,
        fingerprint,
    } = key;
    let inserted = sqlx::query(
        "insert into platform.idempotency_keys
             (tenant_id, operation, request_id, fingerprint, response)
         values ($1, $2, $3, $4, $5)
         on conflict (tenant_id, operation, request_id) do nothing",
    )
    .bind(tenant.as_uuid())
    .bind(operation)
    .bind(request_id)
    .bind(fingerprint.as_slice())
    .bind(answer)
    .execute(&mut *conn)
    .await?;
    if inserted.rows_affected() == 1 {
        return Ok(Claim::Fresh);
    }
    let found: Option<(Vec<u8>, Option<Vec<u8>>)> = sqlx::query_as(
        "select fingerprint, response
         from platform.idempotency_keys
         where tenant_id = $1 and operation = $2 and request_id = $3",
    )
    .bind(tenant.as_uuid())
    .bind(operation)
    .bind(request_id)
    .fetch_optional(conn)
    .await?;
    // Pruned since the insert: run the transaction again and the key is fresh.
    let Some((known, response)) = found else {
        return Err(DbError::SerializationFailure(sqlx::Error::RowNotFound));
    };
    if known != fingerprint {
        return Ok(Claim::Mismatch);
    }
    // Committed without an answer: the operation has none to give.
    Ok(Claim::Replay(response.unwrap_or_default()))
}

/// Records the answer for later twins.
///
/// # Errors
/// [`DbError::Query`] (row not found) if the key was not claimed in this transaction.
pub async fn complete(
    conn: &mut PgConnection,
    tenant: TenantId,
    operation: &str,
    request_id: &str,
    response: &[u8],
) -> Result<(), DbError> {
    let updated = sqlx::query(
        "update platform.idempotency_keys
         set response = $4
         where tenant_id = $1 and operation = $2 and request_id = $3",
    )
    .bind(tenant.as_uuid())
    .bind(operation)
    .bind(request_id)
    .bind(response)
    .execute(conn)
    .await?;
    if updated.rows_affected() == 0 {
        return Err(DbError::Query(sqlx::Error::RowNotFound));
    }
    Ok(())
}

/// Deletes up to [`PRUNE_BATCH_MAX`] keys made before `older_than`, of all tenants (system role),
/// and says how many went: call again while that many do.
///
/// # Errors
/// Any [`DbError`] of the delete.
pub async fn prune(conn: &mut PgConnection, older_than: OffsetDateTime) -> Result<u64, DbError> {
    let deleted = sqlx::query(
        "delete from platform.idempotency_keys
         where ctid = any (array(
             select ctid from platform.idempotency_keys
             where created_at < $1
             order by created_at
             limit $2
             for update skip locked))",
    )
    .bind(older_than)
    .bind(PRUNE_BATCH_MAX)
    .execute(conn)
    .await?;
    Ok(deleted.rows_affected())
}
