//! Keeps one connection, and finds out when it may be used again.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError};
use tokio::time::{sleep, timeout};

use super::link::Link;

/// How long a new connection may take.
const CONNECT_MAX: Duration = Duration::from_secs(1);
/// Between two probes of a Redis that failed, and between two tries to connect.
const PROBE_EVERY: Duration = Duration::from_millis(500);
/// After so many the connection itself is given up.
const PROBES_MAX: usize = 10;
/// Between two looks at one that is used.
const WATCH_EVERY: Duration = Duration::from_secs(2);
/// How many commands may be on their way to the connection's task.
const PIPELINE_MAX: usize = 4_096;

/// Why a connection is not used.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It did not answer in time.
    #[error("no answer within {0:?}")]
    Late(Duration),
    /// It failed.
    #[error(transparent)]
    Redis(#[from] RedisError),
}

/// Who wants to know how it stands, and says so in its own words.
#[async_trait]
pub trait Observe: Send + Sync {
    /// Proves that a connection is good for what it is used for; it is asked before a connection is
    /// used, while it is, and until it is again. `PING`, if nothing else is needed.
    ///
    /// # Errors
    /// Whatever Redis says.
    async fn prove(&self, connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
        redis::cmd("PING").query_async(connection).await
    }

    /// It is used from now on.
    fn closed(&self);

    /// It is not used from now on; with the reason, if it was not one of those who asked that found it.
    fn opened(&self, fault: Option<&Fault>);

    /// Redis is not there; `first`: at the start, and nobody was told before.
    fn away(&self, fault: &Fault, first: bool);
}

/// The keeper.
pub struct Keeper<O> {
    client: Client,
    link: Arc<Link>,
    budget: Duration,
    observer: O,
}

impl<O: Observe> Keeper<O> {
    /// A keeper of a connection for those who ask by `link` and want an answer within `budget`. It
    /// connects to nothing yet.
    #[must_use]
    pub const fn new(client: Client, link: Arc<Link>, budget: Duration, observer: O) -> Self {
        Self {
            client,
            link,
            budget,
            observer,
        }
    }

    /// Who is told.
    pub const fn observer(&self) -> &O {
        &self.observer
    }

    /// Connects, and keeps the connection or its successor, without end.
    pub async fn keep(&self) {
        let mut is_first = true;
        loop {
            match self.connect().await {
                Ok(connection) => self.use_up(connection).await,
                Err(fault) => self.observer.away(&fault, is_first),
            }
            is_first = false;
            sleep(PROBE_EVERY).await;
        }
    }

    async fn connect(&self) -> Result<MultiplexedConnection, Fault> {
        // Those who ask have budgets of their own.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_MAX))
            .set_response_timeout(None)
            .set_pipeline_buffer_size(PIPELINE_MAX);
        let connecting = self
            .client
            .get_multiplexed_async_connection_with_config(&config);
        let mut connection = within(CONNECT_MAX, connecting).await?;
        self.prove(&mut connection, CONNECT_MAX).await?;
        Ok(connection)
    }

    /// Lets the connection be used, as often as it recovers, until it does not.
    async fn use_up(&self, mut connection: MultiplexedConnection) {
        loop {
            self.link.close(connection.clone());
            self.observer.closed();
            let fault = self.watch(&mut connection).await;
            self.link.open();
            self.observer.opened(fault.as_ref());
            if !self.recovers(&mut connection).await {
                return;
            }
        }
    }

    /// Returns when the connection must not be used; with the reason, if nobody who asked has seen it.
    async fn watch(&self, connection: &mut MultiplexedConnection) -> Option<Fault> {
        loop {
            tokio::select! {
                () = self.link.tripped() => return None,
                () = sleep(WATCH_EVERY) => {}
            }
            if let Err(fault) = self.prove(connection, CONNECT_MAX).await {
                return Some(fault);
            }
        }
    }

    /// Whether the connection answers again, in time for those who ask.
    async fn recovers(&self, connection: &mut MultiplexedConnection) -> bool {
        for _ in 0..PROBES_MAX {
            sleep(PROBE_EVERY).await;
            match self.prove(connection, self.budget).await {
                Ok(()) => return true,
                Err(Fault::Redis(error)) if error.is_unrecoverable_error() => return false,
                Err(Fault::Redis(_) | Fault::Late(_)) => {}
            }
        }
        false
    }

    async fn prove(
        &self,
        connection: &mut MultiplexedConnection,
        within_time: Duration,
    ) -> Result<(), Fault> {
        within(within_time, self.observer.prove(connection)).await
    }
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
