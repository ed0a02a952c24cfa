//! Makes deliveries of what was committed to the history.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::metrics::WebhookMetrics;
use crate::ports::webhooks::{Followed, WebhookQueues};

/// Follows the history. Every process does so; one at a time gets to.
pub struct FollowHistory {
    queue: WebhookQueues,
    metrics: WebhookMetrics,
    look: Duration,
    batch_max: u32,
    due: Arc<Notify>,
}

impl FollowHistory {
    /// A follower that looks every `look`, takes about `batch_max` entries at a time, and says by
    /// `due` that something is.
    #[must_use]
    pub const fn new(
        queue: WebhookQueues,
        metrics: WebhookMetrics,
        (look, batch_max): (Duration, u32),
        due: Arc<Notify>,
    ) -> Self {
        Self {
            queue,
            metrics,
            look,
            batch_max,
            due,
        }
    }

    /// Follows until shutdown. What is not done then is found again.
    pub async fn run(self, shutdown: CancellationToken) {
        let following = async {
            loop {
                self.catch_up().await;
                tokio::time::sleep(self.look).await;
            }
        };
        let _: Option<()> = shutdown.run_until_cancelled(following).await;
    }

    /// Sees all that is there.
    async fn catch_up(&self) {
        loop {
            let made = match self.queue.follow(self.batch_max).await {
                Ok(Followed::Busy) => return,
                Ok(Followed::UpToDate(made)) => {
                    self.tell(made);
                    return;
                }
                Ok(Followed::More(made)) => made,
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    let event = "notification.webhooks_not_followed";
                    tracing::warn!(event, error, "the history is looked at again later");
                    return;
                }
            };
            self.tell(made);
        }
    }

    fn tell(&self, made: u64) {
        if made > 0 {
            self.metrics.made(made);
            self.due.notify_one();
        }
    }
}
