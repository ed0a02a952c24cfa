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

    /// Does it now and then until shutdown.
    pub async fn run(self, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(self.limits.poll) => {}
            }
            self.try_once().await;
        }
    }

    /// Does it once; what fails is logged, and done the next time.
    pub async fn try_once(&self) {
        if let Err(error) = self.once().await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(event = "metrics.upkeep_failed", error, "tried again later");
        }
    }

    /// Does it once.
    ///
    /// # Errors
    /// The store's; what was done stays done.
    pub async fn once(&self) -> Result<(), StoreError> {
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

    fn days(&self) -> (Date, Date) {
        let today = self.clock.now().date();
        let days = |days| time::Duration::days(i64::from(days));
        let first = today.checked_sub(days(self.limits.days_behind));
        let last = today.checked_add(days(self.limits.days_ahead));
        (first.unwrap_or(today), last.unwrap_or(today))
    }
}
