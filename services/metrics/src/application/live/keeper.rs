//! What runs beside counting: snapshots, and forgetting what is old.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};
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
    /// # Errors
    /// Fails when the store cannot be read, or what it has needs another configuration or version.
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
        Ok(Self {
            live: Arc::new(live),
            store,
            every: limits.snapshot_every,
            metrics,
        })
    }

    /// What is counted.
    #[must_use]
    pub fn live(&self) -> Arc<Live> {
        Arc::clone(&self.live)
    }

    /// Stores snapshots until shutdown, then lets nothing be counted any more and stores the last.
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
        self.at_leisure(Live::close).await?;
        let mut tries = 1;
        while let Err(error) = self.save(SnapshotKind::Final).await {
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
