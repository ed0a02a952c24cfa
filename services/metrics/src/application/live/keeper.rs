//! What runs beside counting: snapshots, and forgetting what is old.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, timeout};
use tokio_util::sync::CancellationToken;
use tradepost_aggregation::{Config, SnapshotError, SnapshotKind};
use tradepost_service::Clock;

use super::{Live, LiveLimits};
use crate::metrics::LiveMetrics;
use crate::ports::{SnapshotStoreError, Snapshots};

/// How often what is older than a day is forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(60);
/// How often the last snapshot is tried.
const LAST_TRIES: u32 = 3;
/// How long counting stays open at the end for what is being stored; what a slow database has not
/// committed by then is never live.
const STORING_MAX: Duration = Duration::from_secs(2);

/// Keeps what a node counted.
#[derive(Clone)]
pub struct Keeper {
    live: Arc<Live>,
    store: Option<Snapshots>,
    every: Duration,
    metrics: LiveMetrics,
}

impl Keeper {
    /// Takes up counting where the last snapshot ends. One that is damaged is set aside, loudly:
    /// counting goes on with nothing, and answers say since when it goes on.
    ///
    /// What was restored is stored again before anything counts, as the snapshot of a process that
    /// runs. Restored twice, the last snapshot of one that ended in order would say that nothing was
    /// missed in between.
    ///
    /// # Errors
    /// Fails when the store cannot be read or written, or what it has needs another configuration or
    /// version.
    pub async fn open(
        engine: Config,
        limits: LiveLimits,
        store: Option<Snapshots>,
        (clock, metrics): (Clock, LiveMetrics),
    ) -> anyhow::Result<Self> {
        let bytes = match &store {
            Some(store) => store.load().await?,
            None => None,
        };
        let opened = Live::open(engine.clone(), limits, bytes.as_deref(), clock.clone());
        let live = match (opened, &store) {
            (Err(error @ SnapshotError::Damaged), Some(store)) => {
                let aside = store.set_aside().await?;
                tracing::error!(
                    event = "live.snapshot_damaged",
                    error = &error as &dyn std::error::Error,
                    path = aside,
                    "the snapshot is damaged; counting begins with nothing"
                );
                Live::open(engine, limits, None, clock)?
            }
            (opened, _) => opened?,
        };
        let keeper = Self {
            live: Arc::new(live),
            store,
            every: limits.snapshot_every,
            metrics,
        };
        if bytes.is_some() {
            keeper.save(SnapshotKind::Running).await?;
        }
        Ok(keeper)
    }

    /// What is counted.
    #[must_use]
    pub fn live(&self) -> Arc<Live> {
        Arc::clone(&self.live)
    }

    /// Stores snapshots until shutdown; then waits for who still stores, lets nothing be counted any more and stores the last.
    ///
    /// # Errors
    /// Fails when the last snapshot cannot be stored: then what was counted since the one before is
    /// lost, and producers that keep what is not durable know it.
    pub async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let mut snapshots = interval(self.every);
        let mut forgetting = interval(FORGET_EVERY);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                _ = snapshots.tick() => {
                    if let Err(error) = self.save(SnapshotKind::Running).await {
                        self.metrics.snapshot_failed();
                        tracing::error!(
                            event = "live.snapshot_failed",
                            error = &error as &dyn std::error::Error,
                            "a snapshot was not stored; the next one may be"
                        );
                    }
                }
                _ = forgetting.tick() => self.at_leisure(Live::forget_old).await?,
            }
            self.metrics.usage(self.live.usage());
        }
        // Too late is no failure: what is missed is counted as such, and the snapshot says that
        // something may be missing.
        let kind = match timeout(STORING_MAX, self.live.stored_all()).await {
            Ok(()) => SnapshotKind::Final,
            Err(_elapsed) => SnapshotKind::Running,
        };
        self.at_leisure(Live::close).await?;
        let mut tries = 1;
        while let Err(error) = self.save(kind).await {
            if tries == LAST_TRIES {
                return Err(error.into());
            }
            tries += 1;
        }
        tracing::info!(event = "live.stopped", "all that was counted is stored");
        Ok(())
    }

    async fn save(&self, kind: SnapshotKind) -> Result<(), SnapshotStoreError> {
        let Some(store) = &self.store else {
            return Ok(());
        };
        let start = Instant::now();
        let bytes = self.at_leisure(move |live| live.snapshot(kind)).await?;
        let len = bytes.len();
        store.save(bytes).await?;
        self.live.snapshot_stored();
        self.metrics.snapshot_stored(len, start.elapsed());
        Ok(())
    }

    /// Does what takes its time where no call waits for it. It fails only by a panic.
    async fn at_leisure<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Live) -> T + Send + 'static,
    ) -> Result<T, SnapshotStoreError> {
        let live = Arc::clone(&self.live);
        let done = tokio::task::spawn_blocking(move || act(&live)).await;
        done.map_err(|error| SnapshotStoreError(io::Error::other(error)))
    }
}

fn interval(every: Duration) -> tokio::time::Interval {
    let mut interval = tokio::time::interval_at(Instant::now() + every, every);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};

    use async_trait::async_trait;
    use tokio::sync::Notify;
    use tradepost_aggregation::{Grouping, MetricsProcessor, Query};
    use tradepost_service::Tasks;
    use tradepost_telemetry::Registry;
    use tradepost_types::TenantId;

    use super::*;
    use crate::application::{CountStored, Ingest, IngestLimits};
    use crate::domain::{BatchName, EventType};
    use crate::metrics::Metrics;
    use crate::ports::{
        Batch, Event, EventStore, Events, Observed, Outcome, SnapshotStore, StoreError,
    };

    const LIMITS: LiveLimits = LiveLimits {
        tenant_events_per_second: 1_000,
        tenants_max: 10,
        snapshot_every: Duration::from_secs(10),
    };

    /// Commits when it is told to.
    #[derive(Default)]
    struct SlowStore {
        asked: Notify,
        commit: Notify,
    }

    #[async_trait]
    impl EventStore for SlowStore {
        async fn store(&self, group: &[Arc<Batch>]) -> Result<Vec<Outcome>, StoreError> {
            self.asked.notify_one();
            self.commit.notified().await;
            let stored = Outcome::Stored {
                overflowed: 0,
                quarantined: 0,
            };
            Ok(vec![stored; group.len()])
        }
    }

    #[derive(Default)]
    struct InMemory(Mutex<Option<Vec<u8>>>);

    #[async_trait]
    impl SnapshotStore for InMemory {
        async fn load(&self) -> Result<Option<Vec<u8>>, SnapshotStoreError> {
            Ok(self
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone())
        }

        async fn save(&self, bytes: Vec<u8>) -> Result<(), SnapshotStoreError> {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(bytes);
            Ok(())
        }

        async fn set_aside(&self) -> Result<String, SnapshotStoreError> {
            panic!("it is sound")
        }
    }

    async fn open(snapshots: &Arc<InMemory>) -> Keeper {
        let about = (Clock::system(), LiveMetrics::default());
        let store: Snapshots = snapshots.clone();
        Keeper::open(Config::default(), LIMITS, Some(store), about)
            .await
            .unwrap()
    }

    fn batch(tenant: TenantId, at_ms: i64) -> Batch {
        Batch {
            tenant,
            name: BatchName::Keyed {
                key: [1; 32],
                content: [1; 32],
            },
            types: vec![EventType::try_from("a").unwrap()],
            users: vec![Box::default()],
            events: vec![Event {
                at_ms,
                value: 1.0,
                place: 0,
                event_type: 0,
                user: 0,
            }],
        }
    }

    fn counted(live: &Live, tenant: TenantId) -> Option<u64> {
        let query = Query {
            minutes: 5,
            event_types: &[],
            grouping: Grouping::None,
        };
        let answer = live.aggregates(tenant, query, live.now_ms()).unwrap();
        answer.lines.first().map(|line| line.count)
    }

    #[tokio::test]
    async fn what_is_being_stored_when_the_process_is_told_to_end_is_in_the_last_snapshot() {
        let (snapshots, slow) = (
            Arc::new(InMemory::default()),
            Arc::new(SlowStore::default()),
        );
        let (keeper, shutdown) = (open(&snapshots).await, CancellationToken::new());
        let tasks = Tasks::new(shutdown.clone());
        let (live, tenant) = (keeper.live(), TenantId::new());
        let events: Events = slow.clone();
        let limits = IngestLimits {
            writers: 1,
            queue_events_max: 100,
            tenant_events_max: 100,
            queue_batches_max: 10,
            group_events_max: 10,
            gap: Duration::ZERO,
        };
        let metrics = Metrics::register(&Registry::new("metrics"));
        let ingest = {
            let counting = CountStored::new(Arc::clone(&live), LiveMetrics::default());
            let observed: Observed = Arc::new(counting);
            Ingest::start((&events, &observed), limits, &metrics, (&tasks, &shutdown))
        };
        let stored = ingest.offer(batch(tenant, live.now_ms())).unwrap();
        slow.asked.notified().await;

        tasks.spawn("live", keeper.run(shutdown.clone()));
        shutdown.cancel();
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        slow.commit.notify_one();
        assert!(stored.await.unwrap().is_ok());
        tasks.drained().await;
        assert!(!tasks.failed());

        assert_eq!(counted(&live, tenant), Some(1));
        assert_eq!(counted(&open(&snapshots).await.live(), tenant), Some(1));
    }

    /// An hour later: for how long nothing is missed, as the snapshot says.
    async fn since_hour_later(snapshots: &InMemory) -> i64 {
        let bytes = snapshots.load().await.unwrap().unwrap();
        let later_ms = Clock::system().now().unix_timestamp() * 1_000 + 3_600_000;
        let heir = MetricsProcessor::restore(Config::default(), &bytes, later_ms).unwrap();
        let query = Query {
            minutes: 5,
            event_types: &[],
            grouping: Grouping::None,
        };
        let answer = heir.aggregates(TenantId::new(), query, later_ms).unwrap();
        later_ms - answer.counted_since_ms
    }

    #[tokio::test]
    async fn a_kill_before_the_first_snapshot_is_seen_although_the_process_before_ended_in_order() {
        let snapshots = Arc::new(InMemory::default());
        let shutdown = CancellationToken::new();
        shutdown.cancel();
        let since_hour_later = async || since_hour_later(&snapshots).await;
        open(&snapshots).await.run(shutdown).await.unwrap();
        assert!(since_hour_later().await > 3_000_000, "nothing was missed");

        let opened = open(&snapshots).await;

        // What counts from here on until it is killed is in no snapshot.
        assert_eq!(since_hour_later().await, 0);
        drop(opened);
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_hangs_does_not_hold_up_the_end_and_the_snapshot_says_that_it_may_miss_some()
     {
        let snapshots = Arc::new(InMemory::default());
        let (keeper, shutdown) = (open(&snapshots).await, CancellationToken::new());
        let counting = CountStored::new(keeper.live(), LiveMetrics::default());
        shutdown.cancel();

        keeper.run(shutdown).await.unwrap();

        assert_eq!(since_hour_later(&snapshots).await, 0);
        drop(counting);
    }
}
