//! The dispatcher of retry rows: due messages go to their handler again, alone.
//!
//! A row is leased, not locked, while its handler works: a crash only delays it, and the inbox
//! keeps a second run without effect.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};
use tokio_util::sync::CancellationToken;
use tradepost_postgres::{Database, DbError};

use crate::attempt::Attempts;
use crate::config::MessagingConfig;
use crate::failure::{self, Fault, Raw};
use crate::handler::{Delivery, HandleError, Subscription, describe};
use crate::link::jittered;
use crate::metrics::Metrics;
use crate::wire::{self, Headers};

/// Rows dispatched one after the other before the table is looked at again.
const BATCH_MAX: i64 = 50;
/// A round starts no further message after this long; the lease covers it and one handler's run.
const LEASE_MARGIN: Duration = Duration::from_secs(30);

/// Dispatches the retry rows of our queues.
pub(crate) struct Dispatcher {
    config: Arc<MessagingConfig>,
    database: Database,
    metrics: Metrics,
    handlers: HashMap<String, Attempts>,
}

#[derive(FromRow)]
struct Due {
    retry_id: i64,
    queue: String,
    attempts: i32,
    headers: Json<Headers>,
    body: Vec<u8>,
}

impl Dispatcher {
    pub(crate) fn new(
        config: Arc<MessagingConfig>,
        database: Database,
        metrics: Metrics,
        subscriptions: &[Subscription],
    ) -> Self {
        let handlers = subscriptions.iter().map(|each| {
            let attempts = Attempts {
                handler: Arc::clone(&each.handler),
                timeout: config.handler_timeout(),
            };
            (each.queue.to_owned(), attempts)
        });
        Self {
            handlers: handlers.collect(),
            config,
            database,
            metrics,
        }
    }

    /// Runs until the token is cancelled; the message in hand is finished first.
    pub(crate) async fn run(&self, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            let found = self.round(stop).await.unwrap_or_else(|error| {
                tracing::warn!(
                    event = "messaging.retries_failed",
                    error = describe(&error),
                    "retry rows cannot be worked on; will try again"
                );
                0
            });
            if found == 0 {
                let wait = tokio::time::sleep(jittered(self.config.retry_poll()));
                let _ = stop.run_until_cancelled(wait).await;
            }
        }
    }

    async fn round(&self, stop: &CancellationToken) -> Result<usize, DbError> {
        let queues: Vec<&str> = self.handlers.keys().map(String::as_str).collect();
        if queues.is_empty() {
            return Ok(0);
        }
        let lease = self.config.handler_timeout() + LEASE_MARGIN;
        let mut tx = self.database.system_tx().await?;
        let due = lease_due(tx.conn(), &queues, lease).await?;
        tx.commit().await?;
        let leased = Instant::now();
        let found = due.len();
        for row in due {
            // What is left comes again when its lease has run out.
            if stop.is_cancelled() || leased.elapsed() >= LEASE_MARGIN {
                break;
            }
            self.dispatch(row).await?;
        }
        Ok(found)
    }

    async fn dispatch(&self, row: Due) -> Result<(), DbError> {
        let Some(attempts) = self.handlers.get(&row.queue) else {
            return Ok(());
        };
        let raw = Raw {
            queue: row.queue.clone(),
            headers: row.headers.0,
            body: Bytes::from(row.body),
        };
        let round = u32::try_from(row.attempts).unwrap_or(u32::MAX);
        let outcome = match wire::parse(&raw.headers, raw.body.clone()) {
            Ok(message) => {
                let delivery = Delivery {
                    message,
                    queue: row.queue,
                    attempt: round.saturating_add(1),
                    redelivered: true,
                };
                attempts.once(&[delivery]).await
            }
            Err(error) => Err(error.into()),
        };
        let mut tx = self.database.system_tx().await?;
        let conn = tx.conn();
        let Err(error) = outcome else {
            forget(conn, row.retry_id).await?;
            return tx.commit().await;
        };
        if let HandleError::Busy { .. } = error {
            defer(conn, row.retry_id, self.backoff(0)).await?;
            return tx.commit().await;
        }
        let fault = Fault::from(&error);
        let exhausted = round.saturating_add(1) >= self.config.retry_attempts_max;
        if matches!(error, HandleError::Poison { .. }) || exhausted {
            failure::park(conn, &raw, &fault, round.saturating_add(1)).await?;
            forget(conn, row.retry_id).await?;
            tx.commit().await?;
            self.metrics.count_parked(&raw.queue, &fault.reason);
            return Ok(());
        }
        let wait = self.backoff(round);
        postpone(conn, row.retry_id, &fault, &raw.queue, wait).await?;
        tx.commit().await?;
        self.metrics.count_retried(&raw.queue);
        Ok(())
    }

    /// Doubles with every round, from the first wait to the longest.
    fn backoff(&self, round: u32) -> Duration {
        let factor = 1_u64.checked_shl(round.min(32)).unwrap_or(u64::MAX);
        let wait = self.config.retry_backoff_min_ms.saturating_mul(factor);
        jittered(Duration::from_millis(
            wait.min(self.config.retry_backoff_max_ms),
        ))
    }
}

async fn lease_due(
    conn: &mut PgConnection,
    queues: &[&str],
    lease: Duration,
) -> Result<Vec<Due>, DbError> {
    let rows = sqlx::query_as(include_str!("lease_retries.sql"))
        .bind(queues)
        .bind(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX))
        .bind(BATCH_MAX)
        .fetch_all(conn)
        .await?;
    Ok(rows)
}

async fn postpone(
    conn: &mut PgConnection,
    retry_id: i64,
    fault: &Fault,
    queue: &str,
    wait: Duration,
) -> Result<(), DbError> {
    sqlx::query(
        "update messaging.retries
         set attempts = attempts + 1, fingerprint = $2, reason = $3, last_error = $4,
             next_attempt_at = clock_timestamp() + $5 * interval '1 millisecond'
         where retry_id = $1",
    )
    .bind(retry_id)
    .bind(fault.fingerprint(queue))
    .bind(&fault.reason)
    .bind(&fault.detail)
    .bind(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))
    .execute(conn)
    .await?;
    Ok(())
}

/// Another time, and this one does not count.
async fn defer(conn: &mut PgConnection, retry_id: i64, wait: Duration) -> Result<(), DbError> {
    sqlx::query(
        "update messaging.retries
         set next_attempt_at = clock_timestamp() + $2 * interval '1 millisecond'
         where retry_id = $1",
    )
    .bind(retry_id)
    .bind(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))
    .execute(conn)
    .await?;
    Ok(())
}

async fn forget(conn: &mut PgConnection, retry_id: i64) -> Result<(), DbError> {
    sqlx::query("delete from messaging.retries where retry_id = $1")
        .bind(retry_id)
        .execute(conn)
        .await?;
    Ok(())
}
