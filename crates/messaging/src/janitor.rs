//! Housekeeping: samples the backlogs for the metrics and forgets old inbox rows.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;
use tradepost_postgres::{Database, DbError};

use crate::config::MessagingConfig;
use crate::handler::describe;
use crate::metrics::Metrics;
use crate::{inbox, outbox};

const SAMPLE_EVERY: Duration = Duration::from_secs(2);
const PRUNE_EVERY: Duration = Duration::from_secs(600);
const PRUNE_BATCH: i64 = 5_000;
/// Counting further would cost more than the figure is worth.
const COUNT_CAP: i64 = 100_000;

pub(crate) struct Janitor {
    pub(crate) config: Arc<MessagingConfig>,
    pub(crate) database: Database,
    pub(crate) metrics: Metrics,
}

impl Janitor {
    /// Runs until the token is cancelled.
    pub(crate) async fn run(&self, stop: &CancellationToken) {
        let mut pruned: Option<Instant> = None;
        loop {
            let prune = pruned.is_none_or(|when| when.elapsed() >= PRUNE_EVERY);
            match self.round(prune, stop).await {
                Ok(()) if prune => pruned = Some(Instant::now()),
                Ok(()) => {}
                Err(error) => tracing::debug!(
                    event = "messaging.janitor_failed",
                    error = describe(&error),
                    "housekeeping failed; will try again"
                ),
            }
            let wait = tokio::time::sleep(SAMPLE_EVERY);
            if stop.run_until_cancelled(wait).await.is_none() {
                return;
            }
        }
    }

    async fn round(&self, prune: bool, stop: &CancellationToken) -> Result<(), DbError> {
        let mut tx = self.database.system_tx().await?;
        let (pending, age_seconds) = outbox::backlog(tx.conn(), COUNT_CAP).await?;
        let (retries, parked) = count_failures(tx.conn()).await?;
        tx.commit().await?;
        self.metrics.outbox_pending.set(pending);
        self.metrics.outbox_oldest_age_seconds.set(age_seconds);
        self.metrics.retries_pending.set(retries);
        self.metrics.parked_pending.set(parked);
        while prune && !stop.is_cancelled() {
            let mut tx = self.database.system_tx().await?;
            let hours = self.config.inbox_retention_hours;
            let gone = inbox::prune(tx.conn(), hours, PRUNE_BATCH).await?;
            tx.commit().await?;
            if gone == 0 {
                break;
            }
        }
        Ok(())
    }
}

async fn count_failures(conn: &mut PgConnection) -> Result<(i64, i64), DbError> {
    let counts = sqlx::query_as(
        "select
            (select count(*) from (select 1 from messaging.retries limit $1) as counted),
            (select count(*) from (select 1 from messaging.parked limit $1) as counted)",
    )
    .bind(COUNT_CAP)
    .fetch_one(conn)
    .await?;
    Ok(counts)
}
