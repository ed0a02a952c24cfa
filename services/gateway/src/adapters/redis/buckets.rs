//! Buckets in Redis: one script charges all of a request, by the clock of the server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use async_trait::async_trait;
use redis::aio::MultiplexedConnection;
use redis::{Client, RedisError};
use secrecy::{ExposeSecret, SecretString};
use tokio_util::sync::CancellationToken;
use tradepost_service::Tasks;

use super::commands::Commands;
use super::keeper::Keeper;
use super::link::Link;
use crate::metrics::{LimitMetrics, RedisFault};
use crate::ports::{NotShared, Shared, SharedBucket, SharedBuckets};

/// Buckets in Redis.
#[derive(Debug)]
pub struct RedisBuckets {
    link: Arc<Link>,
    commands: Arc<Commands>,
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
        let client = Client::open(url.expose_secret()).context("redis.url")?;
        let this = Self {
            link: Arc::new(Link::new()),
            commands: Arc::new(Commands::new()),
            budget,
            metrics,
        };
        let keeper = Keeper {
            client,
            link: Arc::clone(&this.link),
            commands: Arc::clone(&this.commands),
            budget,
            metrics: this.metrics.clone(),
        };
        tasks.spawn("rate limits", async move {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = keeper.keep() => {}
            }
            keeper.leave().await;
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
        let Some(mut connection) = self.link.connection() else {
            self.metrics.fault(RedisFault::Open);
            return Err(NotShared);
        };
        let started = Instant::now();
        let answer = tokio::time::timeout(self.budget, work(&mut connection)).await;
        self.metrics.redis_took(started.elapsed());
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                self.metrics.fault(RedisFault::Error);
                if error.is_unrecoverable_error() {
                    self.link.trip();
                } else {
                    self.link.failed();
                }
                tracing::debug!(event = "limits.redis_failed", %error, "Redis did not decide");
                Err(NotShared)
            }
            Err(_elapsed) => {
                self.metrics.fault(RedisFault::Late);
                self.link.failed();
                Err(NotShared)
            }
        }
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
        self.link.instances()
    }
}
