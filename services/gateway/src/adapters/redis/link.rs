//! The way to Redis as a decision sees it: open, or not there.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use futures::FutureExt;
use redis::aio::MultiplexedConnection;
use tokio::sync::Notify;

/// So many failures within the window close the way.
const FAILURES_MAX: usize = 5;
const WINDOW: Duration = Duration::from_secs(1);

/// What decisions and the keeper of the connection share. Without a connection in it the breaker
/// is open: nobody queues for one.
#[derive(Debug)]
pub(super) struct Link {
    connection: ArcSwapOption<MultiplexedConnection>,
    failures: Mutex<[Option<Instant>; FAILURES_MAX]>,
    tripped: Notify,
    instances: AtomicU32,
}

impl Link {
    pub(super) fn new() -> Self {
        Self {
            connection: ArcSwapOption::empty(),
            failures: Mutex::default(),
            tripped: Notify::new(),
            instances: AtomicU32::new(1),
        }
    }

    /// The connection, if decisions may ask.
    pub(super) fn connection(&self) -> Option<MultiplexedConnection> {
        let connection = self.connection.load();
        connection.as_deref().cloned()
    }

    /// Decisions may ask from now on.
    pub(super) fn close(&self, connection: MultiplexedConnection) {
        *self.failures() = Default::default();
        // A trip of the connection before is none of this one.
        let _stale = self.tripped.notified().now_or_never();
        self.connection.store(Some(connection.into()));
    }

    /// A decision failed; the last of too many makes all others go without.
    pub(super) fn failed(&self) {
        let now = Instant::now();
        let is_too_often = {
            let mut failures = self.failures();
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

    /// Decisions go without from now on, and the keeper hears of it.
    pub(super) fn trip(&self) {
        self.open();
        self.tripped.notify_one();
    }

    /// Decisions go without from now on.
    pub(super) fn open(&self) {
        self.connection.store(None);
    }

    /// Returns when decisions go without.
    pub(super) async fn tripped(&self) {
        self.tripped.notified().await;
    }

    pub(super) fn instances(&self) -> u32 {
        self.instances.load(Ordering::Relaxed)
    }

    pub(super) fn set_instances(&self, count: u32) {
        self.instances.store(count.max(1), Ordering::Relaxed);
    }

    fn failures(&self) -> std::sync::MutexGuard<'_, [Option<Instant>; FAILURES_MAX]> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
