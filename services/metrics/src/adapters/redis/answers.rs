//! Answers that nodes share in Redis. What is there has a time and is never deleted; every command is
//! bounded by a budget, and after some failures none is sent until Redis answers again.

mod keeper;
mod link;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use redis::aio::MultiplexedConnection;
use redis::{Client, RedisError, Value};
use secrecy::{ExposeSecret, SecretString};
use tokio_util::sync::CancellationToken;
use tradepost_service::Tasks;

use keeper::Keeper;
use link::Link;

use crate::metrics::{AnswerMetrics, SharedFault};
use crate::ports::{Claim, SharedAnswers};

/// More bytes than a kept answer has are not fetched: they are garbage.
const FETCHED_MAX: usize = 8 * 1_024 * 1_024;

/// Answers in Redis.
#[derive(Debug)]
pub struct RedisAnswers {
    link: Arc<Link>,
    budget: Duration,
    metrics: AnswerMetrics,
}

impl RedisAnswers {
    /// Answers in the Redis at `url`. It need not be there: until it is, and whenever it is not,
    /// nothing is shared. A task keeps the connection, until the token is cancelled.
    ///
    /// # Errors
    /// Fails when the URL is none.
    pub fn start(
        url: &SecretString,
        budget: Duration,
        metrics: AnswerMetrics,
        (tasks, shutdown): (&Tasks, CancellationToken),
    ) -> anyhow::Result<Self> {
        let client = Client::open(url.expose_secret()).context("redis.url")?;
        let link = Arc::new(Link::default());
        let keeper = Keeper {
            client,
            link: Arc::clone(&link),
            budget,
            metrics: metrics.clone(),
        };
        tasks.spawn("answers", async move {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = keeper.keep() => {}
            }
        });
        Ok(Self {
            link,
            budget,
            metrics,
        })
    }

    /// Whether answers are shared at the moment.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.link.connection().is_some()
    }

    async fn within_budget<T>(
        &self,
        work: impl AsyncFnOnce(&mut MultiplexedConnection) -> Result<T, RedisError>,
    ) -> Option<T> {
        let Some(mut connection) = self.link.connection() else {
            self.metrics.fault(SharedFault::Open);
            return None;
        };
        match tokio::time::timeout(self.budget, work(&mut connection)).await {
            Ok(Ok(answer)) => Some(answer),
            Ok(Err(error)) => {
                self.metrics.fault(SharedFault::Error);
                if error.is_unrecoverable_error() {
                    self.link.trip();
                }
                // Any other is of the command alone: a full Redis still gives what it has.
                tracing::debug!(event = "answers.redis_failed", %error, "Redis did not do it");
                None
            }
            Err(_elapsed) => {
                self.metrics.fault(SharedFault::Late);
                self.link.failed();
                None
            }
        }
    }
}

#[async_trait]
impl SharedAnswers for RedisAnswers {
    async fn find(&self, name: &str) -> Option<Vec<u8>> {
        let mut get = redis::cmd("GETRANGE");
        get.arg(name).arg(0).arg(FETCHED_MAX);
        let found: Vec<u8> = self
            .within_budget(async |connection| get.query_async(connection).await)
            .await?;
        // A missing key is an empty one.
        (!found.is_empty()).then_some(found)
    }

    async fn claim(&self, name: &str, time: Duration) -> Claim {
        let mut set = redis::cmd("SET");
        set.arg(format!("{name}:claim")).arg(1).arg("NX");
        set.arg("PX").arg(millis(time));
        let claimed = self
            .within_budget(async |connection| set.query_async(connection).await)
            .await;
        match claimed {
            Some(Value::Okay) => Claim::Ours,
            Some(Value::Nil) => Claim::Others,
            Some(_) | None => Claim::Unknown,
        }
    }

    async fn keep(&self, name: &str, bytes: &[u8], time: Duration) {
        let mut set = redis::cmd("SET");
        set.arg(name).arg(bytes).arg("PX").arg(millis(time));
        let _kept: Option<()> = self
            .within_budget(async |connection| set.query_async(connection).await)
            .await;
    }
}

/// A time that a key may have: at least a millisecond.
fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)
}
