//! Batches of many streams share transactions.
//!
//! Batches queue in lanes, by tenant, so that one writer at a time touches a tenant's rollups. A
//! writer takes what has gathered while it wrote, as one group and one transaction; the answers go
//! out after its commit. The queue is bounded by events and by batches, and no tenant may fill it:
//! what does not fit is refused, never held up.

mod waiting;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tradepost_postgres::Pace;
use tradepost_service::Tasks;

pub use waiting::NotStored;

use super::room::{NoRoom, Room, Share};
use crate::metrics::Metrics;
use crate::ports::{Batch, Events, Observed, Outcome, StoreError};

/// Batches of a group that may each take too long alone before it is the database that is slow: the
/// rest is not tried.
const SLOW_ALONE_MAX: usize = 2;

/// Limits of the queue and its writers.
#[derive(Debug, Clone, Copy)]
pub struct IngestLimits {
    /// Writers, each with a connection while it writes.
    pub writers: usize,
    /// Events that wait or are being written, over all lanes.
    pub queue_events_max: u32,
    /// Of those, how many may be of one tenant.
    pub tenant_events_max: u32,
    /// Batches that wait in one lane; half of them may be of one tenant.
    pub queue_batches_max: usize,
    /// Events after which a group is full.
    pub group_events_max: usize,
    /// How far apart a writer's groups begin under load; what comes alone never waits.
    pub gap: Duration,
}

/// Why a batch was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// As much waits as may.
    #[error("too many events wait to be stored")]
    Full,
    /// As much of the tenant waits as may.
    #[error("too many events of the tenant wait to be stored")]
    TenantFull,
    /// The process ends.
    #[error("the process takes nothing more")]
    Draining,
}

impl From<NoRoom> for Refused {
    fn from(why: NoRoom) -> Self {
        match why {
            NoRoom::All => Self::Full,
            NoRoom::Tenant => Self::TenantFull,
        }
    }
}

/// What became of a batch, once it is committed or failed.
pub type Stored = Result<Outcome, StoreError>;

/// A batch that waits.
struct Job {
    batch: Arc<Batch>,
    answer: oneshot::Sender<Stored>,
    /// The share of its events and its own in the queue, until it is answered.
    _room: (Share, Share),
}

/// Where batches go in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Ingest {
    lanes: Arc<[mpsc::Sender<Job>]>,
    events: Arc<Room>,
    batches: Arc<Room>,
}

impl Ingest {
    /// Starts the writers, which store in `store` and tell `observed`. They end after shutdown, with the queue empty.
    #[must_use]
    pub fn start(
        (store, observed): (&Events, &Observed),
        limits: IngestLimits,
        metrics: &Metrics,
        (tasks, shutdown): (&Tasks, &CancellationToken),
    ) -> Self {
        let lane = |_number| {
            let (sender, queue) = mpsc::channel(limits.queue_batches_max);
            let writer = Writer {
                store: Arc::clone(store),
                observed: Arc::clone(observed),
                metrics: metrics.clone(),
                queue,
                group_events_max: limits.group_events_max,
                pace: Pace::new(limits.gap),
            };
            tasks.spawn("ingest-writer", writer.run(shutdown.clone()));
            sender
        };
        Self {
            lanes: (0..limits.writers.max(1)).map(lane).collect(),
            events: Arc::new(Room::new(limits.queue_events_max, limits.tenant_events_max)),
            // What all may have is what the lanes hold.
            batches: Arc::new(Room::new(u32::MAX, half(limits.queue_batches_max))),
        }
    }

    /// Queues a batch; what is returned becomes its answer. It is stored whether or not anybody
    /// waits for that.
    ///
    /// # Errors
    /// [`Refused`]: nothing was queued.
    pub fn offer(
        &self,
        batch: impl Into<Arc<Batch>>,
    ) -> Result<oneshot::Receiver<Stored>, Refused> {
        let batch = batch.into();
        let events = u32::try_from(batch.events.len()).map_err(|_too_many| Refused::Full)?;
        let room = (
            Room::take(&self.events, batch.tenant, events.max(1))?,
            Room::take(&self.batches, batch.tenant, 1)?,
        );
        let (answer, answered) = oneshot::channel();
        let lane = self.lane(&batch).ok_or(Refused::Draining)?;
        let job = Job {
            batch,
            answer,
            _room: room,
        };
        lane.try_send(job).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => Refused::Full,
            mpsc::error::TrySendError::Closed(_) => Refused::Draining,
        })?;
        Ok(answered)
    }

    /// Returns when the writers take nothing more: after shutdown.
    pub async fn ended(&self) {
        for lane in self.lanes.iter() {
            lane.closed().await;
        }
    }

    fn lane(&self, batch: &Batch) -> Option<&mpsc::Sender<Job>> {
        // The last bytes of an id are random.
        let id = batch.tenant.as_uuid().as_u128();
        let lanes = u128::try_from(self.lanes.len()).unwrap_or(1).max(1);
        self.lanes
            .get(usize::try_from(id % lanes).unwrap_or_default())
    }
}

/// What one tenant may have of a lane.
fn half(places: usize) -> u32 {
    u32::try_from(places.div_ceil(2)).unwrap_or(u32::MAX)
}

/// Writes what waits in one lane.
struct Writer {
    store: Events,
    observed: Observed,
    metrics: Metrics,
    queue: mpsc::Receiver<Job>,
    group_events_max: usize,
    pace: Pace,
}

impl Writer {
    async fn run(mut self, shutdown: CancellationToken) {
        loop {
            let first = tokio::select! {
                biased;
                first = self.queue.recv() => first,
                () = shutdown.cancelled() => {
                    // What is queued is still written; nothing more can be.
                    self.queue.close();
                    self.queue.recv().await
                }
            };
            let Some(first) = first else { return };
            self.pace.keep().await;
            let group = self.gather(first);
            self.write(group).await;
        }
    }

    /// The job and those behind it, up to a full group.
    fn gather(&mut self, first: Job) -> Vec<Job> {
        let mut events = first.batch.events.len();
        let mut group = vec![first];
        while events < self.group_events_max
            && let Ok(next) = self.queue.try_recv()
        {
            events += next.batch.events.len();
            group.push(next);
        }
        group
    }

    /// Stores a group. If one batch may be at fault, or all were too much at once, each is stored
    /// alone: the others get through.
    async fn write(&self, group: Vec<Job>) {
        let batches: Vec<Arc<Batch>> = group.iter().map(|job| Arc::clone(&job.batch)).collect();
        match self.store.store(&batches).await {
            Ok(outcomes) => {
                for (job, outcome) in group.into_iter().zip(outcomes) {
                    self.answer(job, Ok(outcome));
                }
            }
            Err(error)
                if group.len() > 1 && (error.may_be_of_one() || error.is_statement_timeout()) =>
            {
                tracing::warn!(
                    event = "metrics.group_failed",
                    error = &error as &dyn std::error::Error,
                    batches = group.len(),
                    "each batch is stored alone"
                );
                self.write_alone(group, &error).await;
            }
            Err(error) => {
                // One of them, and so a lone one, is told all: whether it may be at fault.
                let mut jobs = group.into_iter();
                let Some(first) = jobs.next() else { return };
                for job in jobs {
                    self.answer(job, Err(error.alike()));
                }
                self.answer(first, Err(error));
            }
        }
    }

    async fn write_alone(&self, group: Vec<Job>, together: &StoreError) {
        let mut slow = 0;
        for job in group {
            if slow == SLOW_ALONE_MAX {
                self.answer(job, Err(together.alike()));
                continue;
            }
            let alone = self.store.store(std::slice::from_ref(&job.batch)).await;
            slow += usize::from(alone.as_ref().is_err_and(StoreError::is_statement_timeout));
            let outcome = alone.map(|outcomes| outcomes.first().copied());
            // One batch has one answer.
            self.answer(job, outcome.map(|one| one.unwrap_or(Outcome::Duplicate)));
        }
    }

    fn answer(&self, job: Job, outcome: Stored) {
        self.metrics.stored(job.batch.events.len(), &outcome);
        if matches!(outcome, Ok(Outcome::Stored { .. })) {
            self.observed.stored(&job.batch);
        }
        // Its caller may have gone.
        let _ = job.answer.send(outcome);
    }
}
