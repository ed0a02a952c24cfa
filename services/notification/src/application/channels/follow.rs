//! Makes, of what was committed to the history, what a channel is to send.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::ports::channels::{Channel, Followed, Queue};

/// Follows the history. Every process does so; one at a time gets to.
pub struct FollowHistory<C: Channel> {
    queue: Queue<C>,
    made: Counter,
    look: Duration,
    batch_max: u32,
    due: Arc<Notify>,
}

impl<C: Channel> FollowHistory<C> {
    /// A follower that looks every `look`, takes about `batch_max` entries at a time, counts in
    /// `made` what it makes, and says by `due` that something is.
    #[must_use]
    pub const fn new(
        queue: Queue<C>,
        made: Counter,
        (look, batch_max): (Duration, u32),
        due: Arc<Notify>,
    ) -> Self {
        Self {
            queue,
            made,
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
                    tracing::warn!(
                        event = "notification.channel_not_followed",
                        channel = C::NAME,
                        error,
                        "the history is looked at again later"
                    );
                    return;
                }
            };
            self.tell(made);
        }
    }

    fn tell(&self, made: u64) {
        if made > 0 {
            self.made.inc_by(made);
            self.due.notify_one();
        }
    }
}
