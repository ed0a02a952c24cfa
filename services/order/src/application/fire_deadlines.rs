//! Fires passed deadlines, for ever.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::ports::{OrderStore, StoreError};

/// Fires passed deadlines.
#[derive(Clone)]
pub struct FireDeadlines {
    store: Arc<dyn OrderStore>,
    metrics: Metrics,
    poll: Duration,
    batch_max: i64,
}

impl FireDeadlines {
    /// The use case over a store.
    #[must_use]
    pub fn new(
        store: Arc<dyn OrderStore>,
        metrics: Metrics,
        poll: Duration,
        batch_max: u32,
    ) -> Self {
        Self {
            store,
            metrics,
            poll,
            batch_max: i64::from(batch_max),
        }
    }

    /// One batch; says whether it was full, so that there may be more.
    ///
    /// # Errors
    /// See [`OrderStore::fire_deadlines`].
    pub async fn once(&self) -> Result<bool, StoreError> {
        let applied = self.store.fire_deadlines(self.batch_max).await?;
        super::report(&self.metrics, &applied);
        Ok(i64::try_from(applied.inputs).is_ok_and(|inputs| inputs >= self.batch_max))
    }

    /// Until shutdown.
    pub async fn run(self, shutdown: CancellationToken) {
        loop {
            match self.once().await {
                Ok(true) if !shutdown.is_cancelled() => continue,
                Ok(_) => {}
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(event = "order.deadlines_failed", error, "tried again later");
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(self.poll) => {}
            }
        }
    }
}
