//! Buckets in Redis: one script charges all of a request, by the clock of the server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use redis::RedisError;
use redis::aio::MultiplexedConnection;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;
use tradepost_redis::{Keeper, Link, Missed};
use tradepost_service::Tasks;

use super::commands::Commands;
use super::presence::{Instances, Presence};
use crate::metrics::{LimitMetrics, RedisFault};
use crate::ports::{NotShared, Shared, SharedBucket, SharedBuckets};

/// How long Redis may take to hear that this gateway goes.
const LEAVE_MAX: Duration = Duration::from_secs(1);

/// Buckets in Redis.
#[derive(Debug)]
pub struct RedisBuckets {
    link: Arc<Link>,
    commands: Arc<Commands>,
    instances: Arc<Instances>,
    budget: Duration,
    metrics: LimitMetrics,
}

impl RedisBuckets {
    /// Buckets in the Redis at `url`. It need not be there: until it is, and whenever it is not,
    /// nothing is shared. A task keeps the connection, until the token is cancelled.
    ///
    /// # Errors
    /// Fails when the URL is none.
    pub fn start(
        url: &SecretString,
        budget: Duration,
        metrics: LimitMetrics,
        (tasks, shutdown): (&Tasks, CancellationToken),
    ) -> anyhow::Result<Self> {
        let client = tradepost_redis::client(url)?;
        let this = Self {
            link: Arc::default(),
            commands: Arc::new(Commands::new()),
            instances: Arc::new(Instances::alone()),
            budget,
            metrics,
        };
        let presence = Presence {
            commands: Arc::clone(&this.commands),
            instances: Arc::clone(&this.instances),
            metrics: this.metrics.clone(),
        };
        let (link, commands) = (Arc::clone(&this.link), Arc::clone(&this.commands));
        let keeper = Keeper::new(client, Arc::clone(&link), budget, presence);
        this.metrics.degraded();
        tasks.spawn("rate limits", async move {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = keeper.keep() => {}
            }
            // The others need not share with this gateway any longer; if they are not told, they find
            // out.
            let _ = link
                .ask(LEAVE_MAX, async |connection| {
                    commands.leave(connection).await
                })
                .await;
        });
        Ok(this)
    }

    /// Whether decisions are shared at the moment.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.link.connection().is_some()
    }

    async fn within_budget<T>(
        &self,
        work: impl AsyncFnOnce(&mut MultiplexedConnection) -> Result<T, RedisError>,
    ) -> Result<T, NotShared> {
        let started = Instant::now();
        let missed = match self.link.ask(self.budget, work).await {
            Ok(answer) => {
                self.metrics.redis_took(started.elapsed());
                return Ok(answer);
            }
            Err(missed) => missed,
        };
        match &missed {
            Missed::Open => self.metrics.fault(RedisFault::Open),
            Missed::Late => {
                self.metrics.redis_took(started.elapsed());
                self.metrics.fault(RedisFault::Late);
            }
            Missed::Failed(error) => {
                self.metrics.redis_took(started.elapsed());
                self.metrics.fault(RedisFault::Error);
                // A Redis that refuses the script decides nothing, however quick it is.
                self.link.failed();
                tracing::debug!(event = "limits.redis_failed", %error, "Redis did not decide");
            }
        }
        Err(NotShared)
    }
}

#[async_trait]
impl SharedBuckets for RedisBuckets {
    async fn charge(&self, buckets: &[SharedBucket]) -> Result<Vec<Shared>, NotShared> {
        self.within_budget(async |connection| self.commands.charge(connection, buckets).await)
            .await
    }

    async fn empty(&self, buckets: &[SharedBucket]) -> Result<(), NotShared> {
        self.within_budget(async |connection| self.commands.empty(connection, buckets).await)
            .await
    }

    fn instances(&self) -> u32 {
        self.instances.count()
    }
}
