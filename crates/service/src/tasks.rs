//! The tracked spawner: what runs beside the requests, and the requests themselves.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::FutureExt;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

/// Spawns tasks that shutdown waits for. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tasks {
    tracker: TaskTracker,
    shutdown: CancellationToken,
    failed: Arc<AtomicBool>,
}

/// What a task may end with: nothing, or a result whose error stops the process.
pub trait IntoOutcome {
    /// The error, if the task failed.
    fn into_outcome(self) -> Result<(), anyhow::Error>;
}

impl IntoOutcome for () {
    fn into_outcome(self) -> Result<(), anyhow::Error> {
        Ok(())
    }
}

impl<E: Into<anyhow::Error>> IntoOutcome for Result<(), E> {
    fn into_outcome(self) -> Result<(), anyhow::Error> {
        self.map_err(Into::into)
    }
}

impl Tasks {
    /// A spawner whose failing tasks cancel `shutdown`.
    #[must_use]
    pub fn new(shutdown: CancellationToken) -> Self {
        Self {
            tracker: TaskTracker::new(),
            shutdown,
            failed: Arc::new(AtomicBool::new(false)),
        }
    }

    /// Runs a part of the process until it ends by itself, which it does soon after shutdown.
    ///
    /// A process without one of its parts is worse than one that restarts: if the part returns an
    /// error or panics, that is logged, the process shuts down, and it exits with a failure.
    pub fn spawn<F>(&self, name: &'static str, part: F)
    where
        F: Future + Send + 'static,
        F::Output: IntoOutcome,
    {
        let tasks = self.clone();
        self.tracker.spawn(async move {
            let error = match AssertUnwindSafe(part).catch_unwind().await {
                Ok(output) => match output.into_outcome() {
                    Ok(()) => return,
                    Err(error) => format!("{error:#}"),
                },
                // The panic hook has logged what and where.
                Err(_) => "panic".to_owned(),
            };
            tracing::error!(
                event = "task.failed",
                task.name = name,
                error,
                "a part of the process failed; it shuts down"
            );
            tasks.failed.store(true, Ordering::Relaxed);
            tasks.shutdown.cancel();
        });
    }

    /// Runs work that belongs to one request or message, in the current span. Its failure is the
    /// business of whoever holds the handle; dropping the handle does not stop it.
    pub fn detach<F>(&self, work: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tracker.spawn(work.in_current_span())
    }

    /// How many tasks run now.
    #[must_use]
    pub fn running(&self) -> usize {
        self.tracker.len()
    }

    /// Whether a part of the process has failed.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Returns when no task runs any more.
    pub async fn drained(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}
