//! Picks up what nobody is at: due calls and parked webhooks.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Feed;
use crate::metrics::Metrics;
use crate::ports::{Payments, StoreError};

/// The sweeper. Every replica runs one; they do not get in each other's way.
pub struct Sweep {
    store: Payments,
    feed: Feed,
    metrics: Metrics,
    poll: Duration,
    batch_max: i64,
}

impl Sweep {
    /// A sweeper that looks every `poll` and takes up to `batch_max` a time.
    #[must_use]
    pub const fn new(
        store: Payments,
        feed: Feed,
        metrics: Metrics,
        poll: Duration,
        batch_max: i64,
    ) -> Self {
        Self {
            store,
            feed,
            metrics,
            poll,
            batch_max,
        }
    }

    /// Sweeps until shutdown.
    pub async fn run(self, shutdown: CancellationToken) {
        loop {
            let swept = async {
                if let Err(error) = self.sweep().await {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(event = "payment.sweep_failed", error, "tried again later");
                }
                tokio::time::sleep(self.poll).await;
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = swept => {}
            }
        }
    }

    /// One sweep.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn sweep(&self) -> Result<(), StoreError> {
        let due = self.store.lease_due(self.batch_max).await?;
        self.feed.put(due).await;
        let (_, done) = self.store.retry_webhooks(self.batch_max).await?;
        self.feed.give(done).await;
        self.metrics.unknown(self.store.unknown().await?);
        Ok(())
    }
}
