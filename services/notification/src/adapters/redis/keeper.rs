//! Keeps one connection to Redis, and finds out when it may be used again.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError};
use tokio::time::{sleep, timeout};

use super::link::Link;
use crate::metrics::NodeMetrics;

/// How long a new connection may take.
const CONNECT_MAX: Duration = Duration::from_secs(1);
/// Between two probes of a Redis that failed, and between two tries to connect.
const PROBE_EVERY: Duration = Duration::from_millis(500);
/// After so many the connection itself is given up.
const PROBES_MAX: usize = 5;
/// Between two looks at one that is used.
const WATCH_EVERY: Duration = Duration::from_secs(2);
/// How many commands may be on their way to the connection's task.
const PIPELINE_MAX: usize = 1_024;

/// The keeper.
pub(super) struct Keeper {
    pub(super) client: Client,
    pub(super) link: Arc<Link>,
    pub(super) budget: Duration,
    pub(super) metrics: NodeMetrics,
}

/// Why a connection is not used.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("no answer within {0:?}")]
    Late(Duration),
    #[error(transparent)]
    Redis(#[from] RedisError),
}

impl Keeper {
    /// Connects, and keeps the connection or its successor, without end.
    pub(super) async fn keep(&self) {
        let mut is_first = true;
        loop {
            match self.connect().await {
                Ok(connection) => self.use_up(connection).await,
                Err(fault) if is_first => tracing::warn!(
                    event = "nodes.redis_away",
                    error = %fault,
                    "Redis is not there: other nodes find what is told here in the database"
                ),
                Err(fault) => {
                    tracing::debug!(event = "nodes.redis_away", error = %fault, "no connection");
                }
            }
            is_first = false;
            sleep(PROBE_EVERY).await;
        }
    }

    async fn connect(&self) -> Result<MultiplexedConnection, Fault> {
        // Commands have budgets of their own.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_MAX))
            .set_response_timeout(None)
            .set_pipeline_buffer_size(PIPELINE_MAX);
        let connecting = self
            .client
            .get_multiplexed_async_connection_with_config(&config);
        let mut connection = within(CONNECT_MAX, connecting).await?;
        prove(&mut connection, CONNECT_MAX).await?;
        Ok(connection)
    }

    /// Lets the connection be used, as often as it recovers, until it does not.
    async fn use_up(&self, mut connection: MultiplexedConnection) {
        loop {
            self.link.close(connection.clone());
            self.metrics.connected(true);
            tracing::info!(event = "nodes.carried", "Redis carries what is told");
            let fault = self.watch(&mut connection).await;
            self.link.open();
            self.metrics.connected(false);
            tracing::warn!(
                event = "nodes.not_carried",
                error = fault.map(tracing::field::display),
                "Redis fails: other nodes find what is told here in the database"
            );
            if !self.recovers(&mut connection).await {
                return;
            }
        }
    }

    /// Returns when the connection must not be used; with the reason, if its user did not see it.
    async fn watch(&self, connection: &mut MultiplexedConnection) -> Option<Fault> {
        loop {
            tokio::select! {
                () = self.link.tripped() => return None,
                () = sleep(WATCH_EVERY) => {}
            }
            if let Err(fault) = prove(connection, CONNECT_MAX).await {
                return Some(fault);
            }
        }
    }

    /// Whether the connection answers again, in time.
    async fn recovers(&self, connection: &mut MultiplexedConnection) -> bool {
        for _ in 0..PROBES_MAX {
            sleep(PROBE_EVERY).await;
            match prove(connection, self.budget).await {
                Ok(()) => return true,
                Err(Fault::Redis(error)) if error.is_unrecoverable_error() => return false,
                Err(Fault::Redis(_) | Fault::Late(_)) => {}
            }
        }
        false
    }
}

/// The server answers, in time.
async fn prove(connection: &mut MultiplexedConnection, within_time: Duration) -> Result<(), Fault> {
    let ping = redis::cmd("PING");
    within(within_time, ping.query_async(connection)).await
}

async fn within<T>(
    time: Duration,
    work: impl Future<Output = Result<T, RedisError>>,
) -> Result<T, Fault> {
    match timeout(time, work).await {
        Ok(answer) => Ok(answer?),
        Err(_elapsed) => Err(Fault::Late(time)),
    }
}
