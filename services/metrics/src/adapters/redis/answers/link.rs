//! The way to Redis as an answer sees it: open, or not there.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::FutureExt;
use redis::aio::MultiplexedConnection;
use tokio::sync::Notify;

/// So many failures within the window close the way.
const FAILURES_MAX: usize = 5;
const WINDOW: Duration = Duration::from_secs(1);

/// What answers and the keeper of the connection share. Without a connection in it the breaker is
/// open: nobody queues for one.
#[derive(Debug, Default)]
pub(super) struct Link {
    way: Mutex<Way>,
    tripped: Notify,
}

#[derive(Debug, Default)]
struct Way {
    connection: Option<MultiplexedConnection>,
    failures: [Option<Instant>; FAILURES_MAX],
}

impl Link {
    /// The connection, if answers may ask.
    pub(super) fn connection(&self) -> Option<MultiplexedConnection> {
        self.way().connection.clone()
    }

    /// Answers may ask from now on.
    pub(super) fn close(&self, connection: MultiplexedConnection) {
        // A trip of the connection before is none of this one.
        let _stale = self.tripped.notified().now_or_never();
        *self.way() = Way {
            connection: Some(connection),
            failures: Default::default(),
        };
    }

    /// Redis was late; the last of too many times makes all others go without.
    pub(super) fn failed(&self) {
        let now = Instant::now();
        let is_too_often = {
            let failures = &mut self.way().failures;
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

    /// Answers go without from now on, and the keeper hears of it.
    pub(super) fn trip(&self) {
        self.open();
        self.tripped.notify_one();
    }

    /// Answers go without from now on.
    pub(super) fn open(&self) {
        self.way().connection = None;
    }

    /// Returns when answers go without.
    pub(super) async fn tripped(&self) {
        self.tripped.notified().await;
    }

    fn way(&self) -> MutexGuard<'_, Way> {
        self.way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
