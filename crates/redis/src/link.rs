//! The way as whoever asks sees it: closed, so that it carries, or open.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use futures::FutureExt;
use redis::RedisError;
use redis::aio::MultiplexedConnection;
use tokio::sync::Notify;

/// So many failures within the window open it.
const FAILURES_MAX: usize = 5;
const WINDOW: Duration = Duration::from_secs(1);

/// What those who ask and the keeper of the connection share. Without a connection in it nobody asks,
/// and nobody waits.
#[derive(Debug, Default)]
pub struct Link {
    connection: ArcSwapOption<MultiplexedConnection>,
    /// When the last of them were.
    failures: Mutex<[Option<Instant>; FAILURES_MAX]>,
    tripped: Notify,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Missed {
    /// There is no connection now.
    #[error("Redis is not asked: it failed before")]
    Open,
    /// The budget was used up.
    #[error("Redis was late")]
    Late,
    /// Redis said no, or the connection broke.
    #[error(transparent)]
    Failed(#[from] RedisError),
}

impl Link {
    /// The connection, if it may be used.
    #[must_use]
    pub fn connection(&self) -> Option<MultiplexedConnection> {
        let connection = self.connection.load();
        connection.as_deref().cloned()
    }

    /// The answer to `work`, within the budget. Whoever is late, or finds the connection broken, has
    /// told the keeper; any other failure is of the command alone: a full Redis still gives what it has.
    ///
    /// # Errors
    /// [`Missed`].
    pub async fn ask<T>(
        &self,
        budget: Duration,
        work: impl AsyncFnOnce(&mut MultiplexedConnection) -> Result<T, RedisError>,
    ) -> Result<T, Missed> {
        let mut connection = self.connection().ok_or(Missed::Open)?;
        match tokio::time::timeout(budget, work(&mut connection)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                if error.is_unrecoverable_error() {
                    self.trip();
                }
                Err(error.into())
            }
            Err(_elapsed) => {
                self.failed();
                Err(Missed::Late)
            }
        }
    }

    /// Redis failed whoever asked; the last of too many times makes all others go without.
    pub fn failed(&self) {
        let now = Instant::now();
        let is_too_often = {
            let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
            failures.rotate_left(1);
            if let Some(last) = failures.last_mut() {
                *last = Some(now);
            }
            let oldest = failures.first().copied().flatten();
            oldest.is_some_and(|oldest| now.saturating_duration_since(oldest) <= WINDOW)
        };
        if is_too_often {
            self.trip();
        }
    }

    /// All go without from now on, and the keeper hears of it.
    pub fn trip(&self) {
        self.open();
        self.tripped.notify_one();
    }

    /// It may be used from now on.
    pub(crate) fn close(&self, connection: MultiplexedConnection) {
        // A trip of the connection before is none of this one.
        let _stale = self.tripped.notified().now_or_never();
        *self.failures.lock().unwrap_or_else(PoisonError::into_inner) = Default::default();
        self.connection.store(Some(connection.into()));
    }

    /// All go without from now on.
    pub(crate) fn open(&self) {
        self.connection.store(None);
    }

    /// Returns when all go without.
    pub(crate) async fn tripped(&self) {
        self.tripped.notified().await;
    }
}
