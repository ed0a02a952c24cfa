//! Messages that could not be handled: retry rows with growing waits, and the parking place.

use bytes::Bytes;
use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use sqlx::types::Json;
use tradepost_postgres::DbError;

use crate::handler::{Delivery, HandleError, describe};
use crate::wire::{self, Headers};

/// A detail longer than this says nothing more.
const DETAIL_CHARS_MAX: usize = 2_000;

/// A message in the form that can always be stored, readable or not. Without `Debug`, which would
/// show the body.
#[derive(Clone)]
pub(crate) struct Raw {
    pub(crate) queue: String,
    pub(crate) headers: Headers,
    pub(crate) body: Bytes,
}

impl Raw {
    pub(crate) fn of(delivery: &Delivery) -> Self {
        Self {
            queue: delivery.queue.clone(),
            headers: wire::headers(&delivery.message, ""),
            body: delivery.message.body.clone(),
        }
    }

    /// The same message parked twice is one row.
    fn dedup_key(&self) -> String {
        if let Some(id) = wire::id_text(&self.headers) {
            return id.to_owned();
        }
        let mut hash = Sha256::new();
        for (name, value) in &self.headers {
            hash.update(name);
            hash.update(value);
        }
        hash.update(&self.body);
        hex::encode(hash.finalize())
    }
}

/// Why a message was not handled, in a form that can be stored and compared.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) reason: String,
    pub(crate) detail: String,
}

impl Fault {
    pub(crate) fn new(reason: &str, detail: &str) -> Self {
        let detail = detail.replace('\0', "\u{fffd}");
        Self {
            reason: reason.to_owned(),
            detail: detail.chars().take(DETAIL_CHARS_MAX).collect(),
        }
    }

    /// The same for the same failure, whatever ids and numbers stand in its text.
    pub(crate) fn fingerprint(&self, queue: &str) -> String {
        let normalised: Vec<&str> = self
            .detail
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .filter(|word| !word.is_empty() && !word.contains(|c: char| c.is_ascii_digit()))
            .collect();
        let text = format!("{queue}\n{}\n{}", self.reason, normalised.join(" "));
        hex::encode(Sha256::digest(text)).chars().take(16).collect()
    }
}

impl From<&HandleError> for Fault {
    fn from(error: &HandleError) -> Self {
        match error {
            HandleError::Transient { reason, source } => Self::new(reason, &describe(&**source)),
            HandleError::Poison { reason, detail } => Self::new(reason, detail),
            HandleError::Busy { reason } => Self::new(reason, &error.to_string()),
        }
    }
}

/// Puts a message into a retry row; a row it already has keeps its count.
pub(crate) async fn retry_later(
    conn: &mut PgConnection,
    raw: &Raw,
    fault: &Fault,
    wait_ms: u64,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into messaging.retries (queue, dedup_key, next_attempt_at, attempts, fingerprint,
            reason, last_error, headers, body)
         values ($1, $2, now() + $3 * interval '1 millisecond', 1, $4, $5, $6, $7, $8)
         on conflict on constraint retries_one_per_message do nothing",
    )
    .bind(&raw.queue)
    .bind(raw.dedup_key())
    .bind(i64::try_from(wait_ms).unwrap_or(i64::MAX))
    .bind(fault.fingerprint(&raw.queue))
    .bind(&fault.reason)
    .bind(&fault.detail)
    .bind(Json(&raw.headers))
    .bind(&*raw.body)
    .execute(conn)
    .await?;
    Ok(())
}

/// Parks a message; parked again, it is the same row seen later.
pub(crate) async fn park(
    conn: &mut PgConnection,
    raw: &Raw,
    fault: &Fault,
    attempts: u32,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into messaging.parked (queue, dedup_key, fingerprint, reason, detail, attempts,
            headers, body)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict on constraint parked_one_per_message do update
         set last_seen = now(), fingerprint = excluded.fingerprint, reason = excluded.reason,
             detail = excluded.detail, attempts = excluded.attempts",
    )
    .bind(&raw.queue)
    .bind(raw.dedup_key())
    .bind(fault.fingerprint(&raw.queue))
    .bind(&fault.reason)
    .bind(&fault.detail)
    .bind(i32::try_from(attempts).unwrap_or(i32::MAX))
    .bind(Json(&raw.headers))
    .bind(&*raw.body)
    .execute(conn)
    .await?;
    tracing::error!(
        event = "messaging.parked",
        messaging.queue = raw.queue,
        message.id = wire::id_text(&raw.headers),
        message.kind = wire::kind_text(&raw.headers),
        reason = fault.reason,
        fingerprint = fault.fingerprint(&raw.queue),
        attempts,
        "a message was parked; it waits for a person"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_that_differ_in_ids_and_numbers_share_a_fingerprint() {
        let one = Fault::new("refused", "order_01h455vb4pex5vsknk084sn02q has 3 lines");
        let other = Fault::new("refused", "order_01h2xcejqtf2nbrexx3vqjhp41 has 12 lines");

        assert_eq!(one.fingerprint("q"), other.fingerprint("q"));
    }

    #[test]
    fn another_queue_reason_or_text_is_another_fingerprint() {
        let fault = Fault::new("refused", "no such order");

        let fingerprint = fault.fingerprint("q");

        assert_ne!(fingerprint, fault.fingerprint("other"));
        assert_ne!(
            fingerprint,
            Fault::new("late", "no such order").fingerprint("q")
        );
        assert_ne!(
            fingerprint,
            Fault::new("refused", "no such line").fingerprint("q")
        );
    }
}
