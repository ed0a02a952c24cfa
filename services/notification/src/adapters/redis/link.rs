//! The way to Redis for all but the reader: open, or not there.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::FutureExt;
use redis::aio::MultiplexedConnection;
use tokio::sync::Notify;

/// So many failures within the window close the way.
const FAILURES_MAX: usize = 5;
const WINDOW: Duration = Duration::from_secs(1);

/// What those who use the connection and its keeper share. Without a connection in it nobody asks
/// Redis, and nobody waits for it: a frozen Redis costs a few budgets.
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
    /// The connection, if it may be used.
    pub(super) fn connection(&self) -> Option<MultiplexedConnection> {
        self.way().connection.clone()
    }

    /// It may be used from now on.
    pub(super) fn close(&self, connection: MultiplexedConnection) {
        // A trip of the connection before is none of this one.
        let _stale = self.tripped.notified().now_or_never();
        *self.way() = Way {
            connection: Some(connection),
            failures: Default::default(),
        };
    }

    /// Redis was late or refused; the last of too many times ends the use.
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

    /// It must not be used from now on, and the keeper hears of it.
    pub(super) fn trip(&self) {
        self.open();
        self.tripped.notify_one();
    }

    /// It must not be used from now on.
    pub(super) fn open(&self) {
        self.way().connection = None;
    }

    /// Returns when it must not be used.
    pub(super) async fn tripped(&self) {
        self.tripped.notified().await;
    }

    fn way(&self) -> MutexGuard<'_, Way> {
        self.way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
