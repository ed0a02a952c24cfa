//! Ends reservations that nobody committed in time.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::ports::Reservations;

/// The sweeper. Every replica runs one; they do not get in each other's way.
pub struct ExpireReservations {
    store: Reservations,
    metrics: Metrics,
    poll: Duration,
    batch_max: i64,
}

impl ExpireReservations {
    /// A sweeper that looks every `poll` and takes up to `batch_max` a time.
    #[must_use]
    pub const fn new(
        store: Reservations,
        metrics: Metrics,
        poll: Duration,
        batch_max: i64,
    ) -> Self {
        Self {
            store,
            metrics,
            poll,
            batch_max,
        }
    }

    /// Sweeps until shutdown.
    pub async fn run(self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            if self.sweep().await {
                continue;
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(self.poll) => {}
            }
        }
    }

    /// One sweep; whether there is probably more.
    async fn sweep(&self) -> bool {
        match self.store.expire_due(self.batch_max).await {
            Ok(handled) => {
                self.metrics.handled(handled);
                i64::try_from(handled.expired).is_ok_and(|expired| expired >= self.batch_max)
            }
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(event = "inventory.sweep_failed", error, "tried again later");
                false
            }
        }
    }
}
