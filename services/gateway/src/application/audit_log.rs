//! Recording what is not a change of the gateway's own tables: calls that go on to a service, and
//! calls that are denied. What changes own tables is recorded in the transaction of the change.
//!
//! Many callers share one transaction: whoever finds nobody writing starts the writer, a tracked
//! task that takes what waits, commits it, and ends when nothing waits any more. So a process that
//! stops writes what is queued, and needs no signal for that.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::oneshot;
use tradepost_service::Tasks;

use crate::domain::audit::{Chain, Entry, Recorded};
use crate::metrics::AuditMetrics;
use crate::ports::audit::{AuditJournal, AuditStoreError};
use crate::ports::{Trail, Unavailable};

/// The entry could not be written, or nobody knows whether it was: what it is about must not
/// happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the audit trail is unavailable")]
pub struct AuditUnavailable;

/// How much waits, and how long.
#[derive(Debug, Clone)]
pub struct AuditLimits {
    /// How many entries may wait; one more fails.
    pub queue_max: usize,
    /// How many entries one transaction has at most.
    pub batch_max: usize,
    /// How long a caller waits for its entry.
    pub wait_max: Duration,
}

/// Writes entries. Cheap to clone; all clones share one queue.
#[derive(Clone)]
pub struct AuditLog {
    inner: Arc<Inner>,
}

struct Inner {
    journal: Arc<dyn AuditJournal>,
    metrics: AuditMetrics,
    limits: AuditLimits,
    tasks: Tasks,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    is_writing: bool,
}

struct Waiting {
    entry: Entry,
    answer: oneshot::Sender<Recorded>,
}

impl AuditLog {
    /// A log that writes to `journal` in tasks of `tasks`.
    #[must_use]
    pub fn new(
        journal: Arc<dyn AuditJournal>,
        metrics: AuditMetrics,
        limits: AuditLimits,
        tasks: Tasks,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                journal,
                metrics,
                limits,
                tasks,
                queue: Mutex::default(),
            }),
        }
    }

    /// Returns when the entry is committed. A call that is dropped before that may still be
    /// recorded.
    ///
    /// # Errors
    /// [`AuditUnavailable`] if it could not be written, or not in time.
    pub async fn record(&self, entry: Entry) -> Result<Recorded, AuditUnavailable> {
        let inner = &self.inner;
        let outcome = entry.outcome();
        let recorded = match self.enqueue(entry) {
            Some(answer) => {
                let answer = tokio::time::timeout(inner.limits.wait_max, answer).await;
                // A sender that is dropped is an entry that failed.
                answer.ok().and_then(Result::ok)
            }
            None => None,
        };
        if recorded.is_some() {
            inner.metrics.written(outcome);
        } else {
            inner.metrics.failed();
        }
        recorded.ok_or(AuditUnavailable)
    }

    /// `None` when too many wait already.
    fn enqueue(&self, entry: Entry) -> Option<oneshot::Receiver<Recorded>> {
        let (answer, answered) = oneshot::channel();
        let mut queue = self.inner.queue();
        if queue.waiting.len() >= self.inner.limits.queue_max {
            return None;
        }
        queue.waiting.push_back(Waiting { entry, answer });
        self.inner.metrics.queued(queue.waiting.len());
        let starts = !queue.is_writing;
        queue.is_writing = true;
        drop(queue);
        if starts {
            let writer = Writer {
                log: Arc::clone(&self.inner),
                is_done: false,
            };
            self.inner.tasks.detach(writer.run());
        }
        Some(answered)
    }
}

#[async_trait]
impl Trail for AuditLog {
    async fn record(&self, entry: Entry) -> Result<(), Unavailable> {
        let recorded = Self::record(self, entry).await;
        recorded
            .map(|_recorded| ())
            .map_err(|AuditUnavailable| Unavailable)
    }
}

impl Inner {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // No code panics under this lock.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one who writes. However it ends, nobody waits for it any more and the next one can start.
struct Writer {
    log: Arc<Inner>,
    is_done: bool,
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.is_done {
            let mut queue = self.log.queue();
            // Those who wait are told by it.
            queue.waiting.clear();
            queue.is_writing = false;
            self.log.metrics.queued(0);
        }
    }
}

impl Writer {
    async fn run(mut self) {
        while let Some(batch) = self.take() {
            self.write(batch).await;
        }
    }

    /// The next batch. When nothing waits the writer is done in the same moment, so that the next
    /// entry starts another.
    fn take(&mut self) -> Option<Vec<Waiting>> {
        let mut queue = self.log.queue();
        let count = queue.waiting.len().min(self.log.limits.batch_max);
        let mut batch: Vec<Waiting> = queue.waiting.drain(..count).collect();
        self.log.metrics.queued(queue.waiting.len());
        if batch.is_empty() {
            queue.is_writing = false;
            self.is_done = true;
            return None;
        }
        // Nobody is refused for an entry that nobody waits for any more.
        batch.retain(|waiting| !waiting.answer.is_closed());
        Some(batch)
    }

    /// One transaction for all. Where a single chain may be at fault, each chain has another try
    /// of its own, so that no tenant is refused for another's.
    async fn write(&self, batch: Vec<Waiting>) {
        match self.append(batch).await {
            Ok(()) => {}
            Err((AuditStoreError::Refused(_), batch)) => {
                let mut chains: BTreeMap<Chain, Vec<Waiting>> = BTreeMap::new();
                for waiting in batch {
                    let chain = chains.entry(waiting.entry.chain()).or_default();
                    chain.push(waiting);
                }
                for (chain, batch) in chains {
                    if let Err((error, _given_up)) = self.append(batch).await {
                        failed(&error, Some(chain));
                    }
                }
            }
            Err((error, _given_up)) => failed(&error, None),
        }
    }

    /// Gives the batch back when it could not be written.
    async fn append(&self, batch: Vec<Waiting>) -> Result<(), (AuditStoreError, Vec<Waiting>)> {
        let (entries, answers): (Vec<Entry>, Vec<_>) = batch
            .into_iter()
            .map(|waiting| (waiting.entry, waiting.answer))
            .unzip();
        match self.log.journal.append(&entries).await {
            Ok(recorded) => {
                for (answer, recorded) in answers.into_iter().zip(recorded) {
                    // Whoever gave up has an entry all the same.
                    let _ = answer.send(recorded);
                }
                Ok(())
            }
            Err(error) => {
                let batch = entries.into_iter().zip(answers);
                let batch = batch.map(|(entry, answer)| Waiting { entry, answer });
                Err((error, batch.collect()))
            }
        }
    }
}

fn failed(error: &AuditStoreError, chain: Option<Chain>) {
    let error: &dyn std::error::Error = error;
    tracing::error!(
        event = "audit.write_failed",
        audit.chain = chain.map(|chain| chain.to_string()),
        error,
        "entries could not be written; what they are about is refused"
    );
}
