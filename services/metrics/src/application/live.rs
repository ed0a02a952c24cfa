//! Live counting: the engine, who may still count, and how fast.
//!
//! Whoever counts holds the gate while it does; closing it waits for them. So what is counted, and
//! with that acknowledged, before the gate is closed is in the last snapshot, and nothing is
//! counted after it.

mod keeper;
mod pace;
mod stored;

use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use tokio_util::task::TaskTracker;
use tradepost_aggregation::{
    Aggregates, BatchError, BatchId, Config, Counted, Event, MetricsProcessor, PackedEvents, Query,
    QueryError, Reason, Receipt, SnapshotError, SnapshotKind, Usage,
};
use tradepost_service::Clock;
use tradepost_types::TenantId;

pub use keeper::Keeper;
use pace::Pace;
pub use stored::CountStored;

/// The limits of the use case.
#[derive(Debug, Clone, Copy)]
pub struct LiveLimits {
    /// Events a second of a tenant.
    pub tenant_events_per_second: u32,
    /// Tenants whose pace is remembered.
    pub tenants_max: usize,
    /// How often a snapshot is stored.
    pub snapshot_every: Duration,
}

/// Why nothing was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotCounted<E> {
    /// The process ends.
    Draining,
    /// The tenant sends faster than it may; it may try again after this.
    Busy(Duration),
    /// The engine refuses it.
    Refused(E),
}

/// What this node counts.
#[derive(Debug)]
pub struct Live {
    engine: MetricsProcessor,
    /// Whether nothing counts any more.
    closed: RwLock<bool>,
    pace: Pace,
    clock: Clock,
    /// Who counts what they store, for as long as they may.
    storing: TaskTracker,
}

impl Live {
    /// Counts from a snapshot on, or from nothing.
    ///
    /// # Errors
    /// [`SnapshotError`]: the snapshot or the configuration is refused.
    pub fn open(
        engine: Config,
        limits: LiveLimits,
        snapshot: Option<&[u8]>,
        clock: Clock,
    ) -> Result<Self, SnapshotError> {
        let engine = match snapshot {
            Some(bytes) => MetricsProcessor::restore(engine, bytes, now_ms(&clock))?,
            None => MetricsProcessor::new(engine)?,
        };
        let pace = Pace::new(limits.tenant_events_per_second, limits.tenants_max);
        Ok(Self {
            engine,
            closed: RwLock::new(false),
            pace,
            clock,
            storing: TaskTracker::new(),
        })
    }

    /// Counts one event.
    ///
    /// # Errors
    /// [`NotCounted`].
    pub fn event(
        &self,
        tenant: TenantId,
        event: &Event<'_>,
    ) -> Result<Counted, NotCounted<Reason>> {
        let _counting = self.enter(tenant, 1)?;
        let now_ms = self.now_ms();
        self.engine
            .process_event_at(tenant, event, now_ms)
            .map_err(NotCounted::Refused)
    }

    /// Counts the good events of a batch, once.
    ///
    /// # Errors
    /// [`NotCounted`]: nothing of it was counted.
    pub fn batch<'a>(
        &self,
        id: BatchId<'_>,
        events: impl ExactSizeIterator<Item = Event<'a>>,
    ) -> Result<Receipt, NotCounted<BatchError>> {
        let _counting = self.enter(id.tenant, events.len())?;
        let now_ms = self.now_ms();
        self.engine
            .process_batch(id, events, now_ms)
            .map_err(NotCounted::Refused)
    }

    /// The same for the packed form.
    ///
    /// # Errors
    /// As [`Live::batch`].
    pub fn packed(
        &self,
        id: BatchId<'_>,
        events: PackedEvents<'_, String>,
    ) -> Result<Receipt, NotCounted<BatchError>> {
        let _counting = self.enter(id.tenant, events.records.len() / 20)?;
        let now_ms = self.now_ms();
        self.engine
            .process_packed(id, events, now_ms)
            .map_err(NotCounted::Refused)
    }

    /// Counts events that are stored; the tenant's pace is the store's to keep. `None`: the process
    /// ends, and nothing was counted.
    fn stored<'a>(
        &self,
        tenant: TenantId,
        events: impl Iterator<Item = Event<'a>>,
    ) -> Option<Receipt> {
        let closed = self.closed.read().unwrap_or_else(PoisonError::into_inner);
        (!*closed).then(|| self.engine.process_stored(tenant, events, self.now_ms()))
    }

    /// What this node counted.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn aggregates(
        &self,
        tenant: TenantId,
        query: Query<'_>,
        now_ms: i64,
    ) -> Result<Aggregates, QueryError> {
        self.engine.aggregates(tenant, query, now_ms)
    }

    /// What is held now.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.engine.usage()
    }

    /// Now, in milliseconds since 1970.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        now_ms(&self.clock)
    }

    /// Returns when nobody stores any more.
    async fn stored_all(&self) {
        self.storing.close();
        self.storing.wait().await;
    }

    /// Lets nothing be counted any more, and waits for what is being counted.
    fn close(&self) {
        *self.closed.write().unwrap_or_else(PoisonError::into_inner) = true;
    }

    fn snapshot(&self, kind: SnapshotKind) -> Vec<u8> {
        self.engine.snapshot(kind, self.now_ms())
    }

    fn snapshot_stored(&self) {
        self.engine.snapshot_stored();
    }

    fn forget_old(&self) {
        self.engine.forget_old(self.now_ms());
        self.pace.forget_idle(Instant::now());
    }

    fn enter<E>(
        &self,
        tenant: TenantId,
        events: usize,
    ) -> Result<RwLockReadGuard<'_, bool>, NotCounted<E>> {
        self.pace
            .charge(tenant, events, Instant::now())
            .map_err(NotCounted::Busy)?;
        let closed = self.closed.read().unwrap_or_else(PoisonError::into_inner);
        if *closed {
            Err(NotCounted::Draining)
        } else {
            Ok(closed)
        }
    }
}

fn now_ms(clock: &Clock) -> i64 {
    i64::try_from(clock.now().unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}
