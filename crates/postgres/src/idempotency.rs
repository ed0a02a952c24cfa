//! Idempotency keys: the same request, sent again, gets the same answer.
//!
//! [`claim`] is the first statement of a mutating request's transaction, [`complete`] the last, so
//! key, effect and answer are committed together or not at all. [`claim_all`] is both, for a
//! batch.

use std::collections::{HashMap, HashSet};

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
    let inserted = sqlx::query(
        "insert into platform.idempotency_keys
             (tenant_id, operation, request_id, fingerprint)
         values ($1, $2, $3, $4)
         on conflict (tenant_id, operation, request_id) do nothing",
    )
    .bind(tenant.as_uuid())
    .bind(operation)
    .bind(request_id)
    .bind(fingerprint.as_slice())
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
    let (known, response) = found.ok_or_else(pruned)?;
    Ok(recorded(&known, response, fingerprint))
}

/// [`claim`] and [`complete`] of many requests of one tenant and call in one statement, for work
/// whose answer is known before it is done, such as the id that a new row will have. Says what
/// became of each, in their order; of two requests with one id the first one takes it.
///
/// Keys are taken in the order of their ids, so that two overlapping batches cannot deadlock.
///
/// # Errors
/// As [`claim`]; no key is then taken.
pub async fn claim_all(
    conn: &mut PgConnection,
    tenant: TenantId,
    operation: &str,
    requests: &[Request<'_>],
) -> Result<Vec<Claim>, DbError> {
    let ids: Vec<&str> = requests.iter().map(|request| request.id).collect();
    let prints: Vec<&[u8]> = requests
        .iter()
        .map(|request| request.fingerprint.as_slice())
        .collect();
    let answers: Vec<&[u8]> = requests
        .iter()
        .map(|request| request.answer.as_slice())
        .collect();
    let fresh: Vec<String> = sqlx::query_scalar(
        "insert into platform.idempotency_keys
             (tenant_id, operation, request_id, fingerprint, response)
         select $1, $2, u.request_id, u.fingerprint, u.response
         from unnest($3::text[], $4::bytea[], $5::bytea[]) with ordinality
             as u(request_id, fingerprint, response, place)
         order by u.request_id, u.place
         on conflict (tenant_id, operation, request_id) do nothing
         returning request_id",
    )
    .bind(tenant.as_uuid())
    .bind(operation)
    .bind(&ids)
    .bind(prints)
    .bind(answers)
    .fetch_all(&mut *conn)
    .await?;
    let mut fresh: HashSet<String> = fresh.into_iter().collect();
    if fresh.len() == requests.len() {
        return Ok(vec![Claim::Fresh; requests.len()]);
    }
    let known: Vec<(String, Vec<u8>, Option<Vec<u8>>)> = sqlx::query_as(
        "select request_id, fingerprint, response
         from platform.idempotency_keys
         where tenant_id = $1 and operation = $2 and request_id = any($3)",
    )
    .bind(tenant.as_uuid())
    .bind(operation)
    .bind(&ids)
    .fetch_all(conn)
    .await?;
    let known: HashMap<&str, (&Vec<u8>, &Option<Vec<u8>>)> = known
        .iter()
        .map(|(id, print, response)| (id.as_str(), (print, response)))
        .collect();
    let claims = requests.iter().map(|request| {
        if fresh.remove(request.id) {
            return Ok(Claim::Fresh);
        }
        // Pruned since the insert: run the transaction again and the key is fresh.
        let found = known.get(request.id);
        let (print, response) = found.ok_or_else(pruned)?;
        Ok(recorded(print, (*response).clone(), request.fingerprint))
    });
    claims.collect()
}

/// A request of a batch.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// The id that the caller gave it.
    pub id: &'a str,
    /// Its digest: the same id with another is refused.
    pub fingerprint: &'a [u8; 32],
    /// The answer it will have.
    pub answer: Vec<u8>,
}

fn pruned() -> DbError {
    DbError::SerializationFailure(sqlx::Error::RowNotFound)
}

fn recorded(known: &[u8], response: Option<Vec<u8>>, fingerprint: &[u8; 32]) -> Claim {
    if known != fingerprint {
        return Claim::Mismatch;
    }
    // Committed without an answer: the operation has none to give.
    Claim::Replay(response.unwrap_or_default())
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

/// [`complete`] of many requests of one tenant and call, by their ids, in one statement: after
/// [`claim_all`], for work whose answers are known only once it is done.
///
/// # Errors
/// [`DbError::Query`] (row not found) if one of them was not claimed in this transaction.
pub async fn complete_all(
    conn: &mut PgConnection,
    tenant: TenantId,
    operation: &str,
    answers: &[(&str, Vec<u8>)],
) -> Result<(), DbError> {
    let (ids, responses): (Vec<&str>, Vec<&[u8]>) = answers
        .iter()
        .map(|(id, response)| (*id, response.as_slice()))
        .unzip();
    let updated = sqlx::query(
        "update platform.idempotency_keys k
         set response = u.response
         from unnest($3::text[], $4::bytea[]) as u (request_id, response)
         where k.tenant_id = $1 and k.operation = $2 and k.request_id = u.request_id",
    )
    .bind(tenant.as_uuid())
    .bind(operation)
    .bind(&ids)
    .bind(responses)
    .execute(conn)
    .await?;
    if usize::try_from(updated.rows_affected()) != Ok(ids.len()) {
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
