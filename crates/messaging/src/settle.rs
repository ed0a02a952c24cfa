//! Bringing a batch to an end that may be acknowledged: every message handled, in a retry row, or
//! parked. While the database is away nothing can be brought to an end, so it waits.

use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use tokio_util::sync::CancellationToken;
use tradepost_postgres::{Database, DbError};

use crate::attempt::Attempts;
use crate::config::MessagingConfig;
use crate::failure::{self, Fault, Raw};
use crate::handler::{Delivery, HandleError, Subscription};
use crate::link::jittered;
use crate::metrics::Metrics;

/// Tries of a single message before it goes to a retry row; that of a larger batch is not counted.
const TRIES: u32 = 3;
const TRY_PAUSE_MS: std::ops::Range<u64> = 20..100;
const BUSY_PAUSE_MIN: Duration = Duration::from_millis(20);
const BUSY_PAUSE_MAX: Duration = Duration::from_secs(1);
const OUTAGE_PAUSE_MIN: Duration = Duration::from_millis(100);
const OUTAGE_PAUSE_MAX: Duration = Duration::from_secs(2);

/// Settles the batches of one subscription.
pub(crate) struct Settler {
    config: Arc<MessagingConfig>,
    database: Database,
    metrics: Metrics,
    attempts: Attempts,
}

/// Where a failed message goes.
enum Verdict {
    Handled,
    /// Told to stop before there was room for it.
    Stopped,
    RetryLater(Fault),
    Park(Fault),
}

impl Settler {
    pub(crate) fn new(
        config: &Arc<MessagingConfig>,
        database: &Database,
        metrics: &Metrics,
        subscription: &Subscription,
    ) -> Self {
        Self {
            config: Arc::clone(config),
            database: database.clone(),
            metrics: metrics.clone(),
            attempts: Attempts {
                handler: Arc::clone(&subscription.handler),
                timeout: config.handler_timeout(),
            },
        }
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// True: all may be acknowledged. False: told to stop first; nothing must be acknowledged.
    pub(crate) async fn settle(&self, batch: &[Delivery], stop: &CancellationToken) -> bool {
        if batch.is_empty() {
            return true;
        }
        let error = loop {
            let error = match self.once_there_is_room(batch, stop).await {
                Some(Ok(())) => return true,
                Some(Err(error)) => error,
                None => return false,
            };
            log_failure(batch, &error);
            if self.database.ping().await.is_ok() {
                break error;
            }
            // A failure while the database is away says nothing about the messages.
            if !self.database_returns(stop).await {
                return false;
            }
        };
        if let [only] = batch {
            return self.settle_alone(only, Some(error), stop).await;
        }
        for delivery in batch {
            if !self.settle_alone(delivery, None, stop).await {
                return false;
            }
        }
        true
    }

    async fn settle_alone(
        &self,
        delivery: &Delivery,
        mut failed: Option<HandleError>,
        stop: &CancellationToken,
    ) -> bool {
        loop {
            let recorded = match self.verdict(delivery, failed.take(), stop).await {
                Verdict::Handled => Ok(()),
                Verdict::Stopped => return false,
                Verdict::RetryLater(fault) => self.retry_later(delivery, &fault).await,
                Verdict::Park(fault) => {
                    return self
                        .park(&Raw::of(delivery), &fault, delivery.attempt, stop)
                        .await;
                }
            };
            match recorded {
                Ok(()) => return true,
                Err(error) => {
                    log_outage(&error);
                    if !self.database_returns(stop).await {
                        return false;
                    }
                }
            }
        }
    }

    /// Tries the message alone; `failed` is the outcome of the first try, if it was made already.
    async fn verdict(
        &self,
        delivery: &Delivery,
        mut failed: Option<HandleError>,
        stop: &CancellationToken,
    ) -> Verdict {
        let mut tries = 0;
        loop {
            let error = match failed.take() {
                Some(error) => error,
                None => {
                    let alone = std::slice::from_ref(delivery);
                    match self.once_there_is_room(alone, stop).await {
                        Some(Ok(())) => return Verdict::Handled,
                        Some(Err(error)) => error,
                        None => return Verdict::Stopped,
                    }
                }
            };
            tries += 1;
            let fault = Fault::from(&error);
            match error {
                HandleError::Poison { .. } => return Verdict::Park(fault),
                HandleError::Transient { .. } if tries >= TRIES => {
                    return Verdict::RetryLater(fault);
                }
                HandleError::Transient { .. } | HandleError::Busy { .. } => {
                    let pause = rand::rng().random_range(TRY_PAUSE_MS);
                    let pause = tokio::time::sleep(Duration::from_millis(pause));
                    if stop.run_until_cancelled(pause).await.is_none() {
                        return Verdict::RetryLater(fault);
                    }
                }
            }
        }
    }

    /// One try, once the handler has room for it. `None`: told to stop first.
    async fn once_there_is_room(
        &self,
        batch: &[Delivery],
        stop: &CancellationToken,
    ) -> Option<Result<(), HandleError>> {
        let mut pause = BUSY_PAUSE_MIN;
        loop {
            match self.attempts.once(batch).await {
                Err(HandleError::Busy { reason }) => {
                    tracing::debug!(event = "messaging.busy", reason, "the consumer waits");
                }
                tried => return Some(tried),
            }
            let waiting = tokio::time::sleep(jittered(pause));
            stop.run_until_cancelled(waiting).await?;
            pause = (pause * 2).min(BUSY_PAUSE_MAX);
        }
    }

    async fn retry_later(&self, delivery: &Delivery, fault: &Fault) -> Result<(), DbError> {
        let mut tx = self.database.system_tx().await?;
        let wait_ms = self.config.retry_backoff_min_ms;
        failure::retry_later(tx.conn(), &Raw::of(delivery), fault, wait_ms).await?;
        tx.commit().await?;
        self.metrics.count_retried(&delivery.queue);
        Ok(())
    }

    /// Parks, however long the database takes to come back. False: told to stop first.
    pub(crate) async fn park(
        &self,
        raw: &Raw,
        fault: &Fault,
        attempts: u32,
        stop: &CancellationToken,
    ) -> bool {
        loop {
            match self.try_park(raw, fault, attempts).await {
                Ok(()) => return true,
                Err(error) => {
                    log_outage(&error);
                    if !self.database_returns(stop).await {
                        return false;
                    }
                }
            }
        }
    }

    async fn try_park(&self, raw: &Raw, fault: &Fault, attempts: u32) -> Result<(), DbError> {
        let mut tx = self.database.system_tx().await?;
        failure::park(tx.conn(), raw, fault, attempts).await?;
        tx.commit().await?;
        self.metrics.count_parked(&raw.queue, &fault.reason);
        Ok(())
    }

    /// Waits at least once, then until the database answers. False: told to stop first.
    async fn database_returns(&self, stop: &CancellationToken) -> bool {
        let mut pause = OUTAGE_PAUSE_MIN;
        loop {
            let waiting = tokio::time::sleep(jittered(pause));
            if stop.run_until_cancelled(waiting).await.is_none() {
                return false;
            }
            if self.database.ping().await.is_ok() {
                return true;
            }
            pause = (pause * 2).min(OUTAGE_PAUSE_MAX);
        }
    }
}

fn log_failure(batch: &[Delivery], error: &HandleError) {
    let fault = Fault::from(error);
    tracing::warn!(
        event = "messaging.batch_failed",
        messaging.queue = batch.first().map(|each| each.queue.as_str()),
        messages = batch.len(),
        reason = fault.reason,
        detail = fault.detail,
        "a batch failed; its messages will be handled one at a time"
    );
}

fn log_outage(error: &DbError) {
    tracing::warn!(
        event = "messaging.database_failed",
        error = crate::handler::describe(error),
        "the outcome of a message cannot be stored; the consumer waits"
    );
}
