//! Keeps the store in order: partitions ahead of time, and nothing that is past its age.

use std::sync::Arc;
use std::time::Duration;

use time::Date;
use tokio_util::sync::CancellationToken;
use tradepost_service::Clock;

use crate::ports::{StoreError, UpkeepStore};

/// For how many days ahead there are partitions.
const AHEAD: time::Duration = time::Duration::days(93);
/// Streams whose cursors are moved in one transaction: senders wait for no more.
const PASS_MAX: i64 = 500;
/// Memberships that are forgotten in one transaction.
const FORGET_MAX: i64 = 1_000;

/// What is kept in order, and how often.
#[derive(Debug, Clone, Copy)]
pub struct UpkeepLimits {
    /// Months that are kept, besides the one that runs.
    pub keep_months: u16,
    /// How often it is looked after.
    pub poll: Duration,
}

/// The chore. Every node does it; they do not get in each other's way.
pub struct Upkeep {
    store: Arc<dyn UpkeepStore>,
    limits: UpkeepLimits,
    clock: Clock,
}

impl Upkeep {
    /// A chore that is not done yet.
    #[must_use]
    pub const fn new(store: Arc<dyn UpkeepStore>, limits: UpkeepLimits, clock: Clock) -> Self {
        Self {
            store,
            limits,
            clock,
        }
    }

    /// Does it at once, and now and then until shutdown.
    pub async fn run(self, shutdown: CancellationToken) {
        loop {
            if let Err(error) = self.once().await {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(
                    event = "notification.upkeep_failed",
                    error,
                    "tried again later"
                );
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(self.limits.poll) => {}
            }
        }
    }

    /// Does it once.
    ///
    /// # Errors
    /// The store's; what was done stays done.
    pub async fn once(&self) -> Result<(), StoreError> {
        let today = self.clock.now().date();
        let made = self
            .store
            .prepare(today, today.saturating_add(AHEAD))
            .await?;
        if made > 0 {
            tracing::info!(
                event = "notification.partitions_made",
                partitions = made,
                "months are ready for notifications"
            );
        }
        let kept_from = self.kept_from(today);
        let mut passed = None;
        while let Some(last) = self
            .store
            .pass_over(kept_from, passed.as_ref(), PASS_MAX)
            .await?
        {
            passed = Some(last);
        }
        while let Some(month) = self.store.forget(kept_from).await? {
            tracing::info!(
                event = "notification.month_dropped",
                month = %month,
                "a month is past its age"
            );
        }
        while self.store.forget_members(kept_from, FORGET_MAX).await? > 0 {}
        Ok(())
    }

    /// The first day of the oldest month that is kept.
    fn kept_from(&self, today: Date) -> Date {
        let mut first = today.replace_day(1).unwrap_or(today);
        for _ in 0..self.limits.keep_months {
            let before = first.previous_day().unwrap_or(first);
            first = before.replace_day(1).unwrap_or(before);
        }
        first
    }
}
