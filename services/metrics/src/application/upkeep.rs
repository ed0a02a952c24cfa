//! Keeps the store in order: partitions ahead of time, quarantine as empty as can be, and nothing that
//! is past its age.

use std::time::Duration;

use time::Date;
use tokio_util::sync::CancellationToken;
use tradepost_service::Clock;

use crate::metrics::Metrics;
use crate::ports::{StoreError, Upkeeper};

/// Days whose partitions are made in one transaction: it must end within the time a statement has.
const PREPARE_MAX: i64 = 32;

/// Events that leave quarantine in one transaction.
const RELEASE_MAX: i64 = 5_000;

/// Rows of a kind that are forgotten in one transaction.
const FORGET_MAX: i64 = 10_000;

/// How long after the start all of it is done first. Not at once: what there is to release or to
/// forget may take its time, and is not urgent. Not after a whole pause: a process that is started
/// again and again would never do it.
const FIRST_AFTER: Duration = Duration::from_secs(60);

/// What is kept in order, and how often.
#[derive(Debug, Clone, Copy)]
pub struct UpkeepLimits {
    /// For how many days before today there are partitions.
    pub days_behind: u16,
    /// For how many days after today.
    pub days_ahead: u16,
    /// How often it is looked after.
    pub poll: Duration,
}

/// The chore. Every replica does it; they do not get in each other's way.
pub struct Upkeep {
    store: Upkeeper,
    limits: UpkeepLimits,
    metrics: Metrics,
    clock: Clock,
}

impl Upkeep {
    /// A chore that is not done yet.
    #[must_use]
    pub const fn new(
        store: Upkeeper,
        limits: UpkeepLimits,
        metrics: Metrics,
        clock: Clock,
    ) -> Self {
        Self {
            store,
            limits,
            metrics,
            clock,
        }
    }

    /// Does it now and then until shutdown, which does not wait for a turn that has begun: what is
    /// not committed of it is done the next time.
    pub async fn run(self, shutdown: CancellationToken) {
        let turns = async {
            let mut pause = FIRST_AFTER.min(self.limits.poll);
            loop {
                tokio::time::sleep(pause).await;
                logged(self.once().await);
                pause = self.limits.poll;
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = turns => {}
        }
    }

    /// Makes the partitions that are missing, and nothing else: what a process needs before it
    /// serves. What fails is logged, and done the next time.
    pub async fn try_prepare(&self) {
        logged(self.prepare().await);
    }

    async fn once(&self) -> Result<(), StoreError> {
        self.prepare().await?;
        let mut released = 1;
        while released > 0 {
            released = self.store.release(RELEASE_MAX).await?;
        }
        let mut forgotten = 1;
        while forgotten > 0 {
            forgotten = self.store.forget(FORGET_MAX).await?;
        }
        self.metrics.quarantined(self.store.quarantined().await?);
        Ok(())
    }

    async fn prepare(&self) -> Result<(), StoreError> {
        let (first, last) = self.days();
        let mut made = 0;
        // The newest first: they are what events come for.
        let mut until = Some(last);
        while let Some(last) = until.filter(|until| *until >= first) {
            let from = last.saturating_sub(time::Duration::days(PREPARE_MAX - 1));
            made += self.store.prepare(from.max(first), last).await?;
            until = from.previous_day();
        }
        if made > 0 {
            tracing::info!(
                event = "metrics.partitions_made",
                partitions = made,
                "days are ready for events"
            );
        }
        Ok(())
    }

    fn days(&self) -> (Date, Date) {
        let today = self.clock.now().date();
        let days = |days| time::Duration::days(i64::from(days));
        let first = today.checked_sub(days(self.limits.days_behind));
        let last = today.checked_add(days(self.limits.days_ahead));
        (first.unwrap_or(today), last.unwrap_or(today))
    }
}

fn logged(done: Result<(), StoreError>) {
    if let Err(error) = done {
        let error: &dyn std::error::Error = &error;
        tracing::warn!(event = "metrics.upkeep_failed", error, "tried again later");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use async_trait::async_trait;
    use tokio::sync::Notify;
    use tradepost_telemetry::Registry;

    use super::*;
    use crate::ports::UpkeepStore;

    /// Has more to release than will ever be done.
    #[derive(Default)]
    struct Endless {
        prepared: AtomicU32,
        asked: Notify,
    }

    #[async_trait]
    impl UpkeepStore for Endless {
        async fn prepare(&self, _first: Date, _last: Date) -> Result<u32, StoreError> {
            self.prepared.fetch_add(1, Ordering::Relaxed);
            Ok(1)
        }

        async fn release(&self, _limit: i64) -> Result<u64, StoreError> {
            self.asked.notify_one();
            std::future::pending().await
        }

        async fn forget(&self, _limit: i64) -> Result<u64, StoreError> {
            Ok(0)
        }

        async fn quarantined(&self) -> Result<u64, StoreError> {
            Ok(0)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn neither_the_start_nor_the_end_waits_for_what_there_is_to_do() {
        let store = Arc::new(Endless::default());
        let limits = UpkeepLimits {
            days_behind: 1,
            days_ahead: 1,
            poll: Duration::from_secs(600),
        };
        let metrics = Metrics::register(&Registry::new("metrics"));
        let upkeep = Upkeep::new(store.clone(), limits, metrics, Clock::system());
        let shutdown = CancellationToken::new();

        upkeep.try_prepare().await;
        assert_eq!(store.prepared.load(Ordering::Relaxed), 1);
        let ends_meanwhile = async {
            store.asked.notified().await;
            shutdown.cancel();
        };
        tokio::join!(upkeep.run(shutdown.clone()), ends_meanwhile);

        assert_eq!(store.prepared.load(Ordering::Relaxed), 2);
    }
}
