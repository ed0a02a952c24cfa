//! Forgets what was sent long ago.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tradepost_postgres::DbError;

use crate::ports::channels::{Channel, Queue};

/// Deliveries forgotten in one transaction.
const BATCH_MAX: i64 = 1_000;
/// How often it is looked for them.
const LOOK: Duration = Duration::from_secs(3_600);

/// Forgets deliveries past their age.
pub struct PruneDeliveries<C: Channel> {
    queue: Queue<C>,
    kept_days: u32,
}

impl<C: Channel> PruneDeliveries<C> {
    /// Those older than so many days.
    #[must_use]
    pub const fn new(queue: Queue<C>, kept_days: u32) -> Self {
        Self { queue, kept_days }
    }

    /// Forgets until shutdown.
    pub async fn run(self, shutdown: CancellationToken) {
        let pruning = async {
            loop {
                if let Err(error) = self.prune().await {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(
                        event = "notification.channel_not_pruned",
                        channel = C::NAME,
                        error,
                        "old deliveries are looked for again later"
                    );
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        let _: Option<()> = shutdown.run_until_cancelled(pruning).await;
    }

    /// Forgets all that are old now, and says how many.
    ///
    /// # Errors
    /// Any [`DbError`]; what was forgotten before it stays so.
    pub async fn prune(&self) -> Result<u64, DbError> {
        let mut all = 0;
        loop {
            let some = self.queue.prune(self.kept_days, BATCH_MAX).await?;
            all += some;
            if some < BATCH_MAX.unsigned_abs() {
                return Ok(all);
            }
        }
    }
}
