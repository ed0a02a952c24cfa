//! Answers that nodes share in Redis. What is there has a time and is never deleted; every command is
//! bounded by a budget, and after some failures none is sent until Redis answers again.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use redis::aio::MultiplexedConnection;
use redis::{RedisError, Value};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;
use tradepost_redis::{Fault, Keeper, Link, Missed, Observe};
use tradepost_service::Tasks;

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
        let client = tradepost_redis::client(url)?;
        let link = Arc::<Link>::default();
        let keeper = Keeper::new(client, Arc::clone(&link), budget, Told(metrics.clone()));
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
        match self.link.ask(self.budget, work).await {
            Ok(answer) => Some(answer),
            Err(missed) => {
                self.metrics.fault(match &missed {
                    Missed::Open => SharedFault::Open,
                    Missed::Late => SharedFault::Late,
                    Missed::Failed(_) => SharedFault::Error,
                });
                tracing::debug!(event = "answers.redis_failed", error = %missed, "Redis did not do it");
                None
            }
        }
    }
}

/// Says how it stands with Redis.
struct Told(AnswerMetrics);

impl Observe for Told {
    fn closed(&self) {
        self.0.shared(true);
        tracing::info!(event = "answers.shared", "nodes share their answers");
    }

    fn opened(&self, fault: Option<&Fault>) {
        self.0.shared(false);
        tracing::warn!(
            event = "answers.local",
            error = fault.map(tracing::field::display),
            "Redis fails: this node keeps its answers to itself"
        );
    }

    fn away(&self, fault: &Fault, first: bool) {
        if first {
            tracing::warn!(
                event = "answers.redis_away",
                error = %fault,
                "Redis is not there: this node keeps its answers to itself until it is"
            );
        } else {
            tracing::debug!(event = "answers.redis_away", error = %fault, "no connection");
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
