//! Takes days that are past their age out of the database, and back (ADR 36).

mod compare;
mod days;
mod leaving;
mod progress;
mod returning;

use std::time::Duration;

use time::Date;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tradepost_service::Clock;

use crate::domain::DayState;
use crate::metrics::ArchiveMetrics;
use crate::ports::{ArchiveError, Archives, Due, EventFiles, Returns, Turn};

pub use progress::Progress;

/// How often a moment is tried in which nobody holds a day's tables, and the pause between.
const TRIES_MAX: u32 = 60;
const PAUSE: Duration = Duration::from_millis(500);
/// Files that are read back at once, of whatever day: each is in memory as a whole.
const READ_AT_ONCE: usize = 2;

/// When days leave, and for how long they come back.
#[derive(Debug, Clone, Copy)]
pub struct ArchiveLimits {
    /// For how many days raw events stay.
    pub keep_days: u16,
    /// For how many days a restored day stays.
    pub restore_days: u16,
    /// For how long the late events of an archived day gather before they get a file.
    pub late_hours: u16,
    /// How often it is looked for days.
    pub poll: Duration,
}

/// Who hears how far it is.
pub type Tell<'a> = &'a (dyn Fn(&Progress) + Send + Sync);

/// What archiving needs.
#[derive(Clone)]
pub struct ArchiveParts {
    /// The days.
    pub store: Archives,
    /// Their way back.
    pub returns: Returns,
    /// Their files.
    pub files: EventFiles,
}

/// The archiver. All processes have one; one of them has the turn at a time.
pub struct Archiver {
    parts: ArchiveParts,
    limits: ArchiveLimits,
    metrics: ArchiveMetrics,
    clock: Clock,
    reads: Semaphore,
}

impl Archiver {
    /// An archiver that has done nothing yet.
    #[must_use]
    pub const fn new(
        parts: ArchiveParts,
        limits: ArchiveLimits,
        metrics: ArchiveMetrics,
        clock: Clock,
    ) -> Self {
        Self {
            parts,
            limits,
            metrics,
            clock,
            reads: Semaphore::const_new(READ_AT_ONCE),
        }
    }

    /// Archives what is due now and then until shutdown. What fails is logged, counted, and tried
    /// again the next time.
    pub async fn run(self, shutdown: CancellationToken) {
        let tell = |progress: &Progress| progress.log();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                ran = self.once(&tell) => if let Err(error) = ran {
                    self.metrics.failed();
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(event = "metrics.archive_failed", error, "tried again later");
                },
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(self.limits.poll) => {}
            }
        }
    }

    /// Archives all that is due, unless another archiver has the turn; whether it has not.
    ///
    /// # Errors
    /// [`ArchiveError`] of the first day that could not go on; what was done stays done. A day that
    /// is at fault itself does not hold up the others.
    pub async fn once(&self, tell: Tell<'_>) -> Result<bool, ArchiveError> {
        let Some(mut turn) = self.parts.store.turn().await? else {
            return Ok(false);
        };
        let ended = self.all(turn.as_mut(), tell).await;
        turn.end().await;
        self.metrics.stand(&self.parts.store.summary().await?);
        ended.map(|()| true)
    }

    async fn all(&self, turn: &mut dyn Turn, tell: Tell<'_>) -> Result<(), ArchiveError> {
        for day in self.due().await? {
            self.parts.store.plan(day).await?;
        }
        let open = self.parts.store.open_days().await?;
        let open: Vec<Date> = open.iter().map(|open| open.day).collect();
        self.advance(&open, turn, tell).await
    }

    /// Archives a day of the past now, whatever its age.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub async fn run_day(&self, day: Date, tell: Tell<'_>) -> Result<(), ArchiveError> {
        let mut turn = self.turn().await?;
        let ended = self.leave(day, turn.as_mut(), tell).await;
        turn.end().await;
        ended
    }

    async fn leave(
        &self,
        day: Date,
        turn: &mut dyn Turn,
        tell: Tell<'_>,
    ) -> Result<(), ArchiveError> {
        let resting = match self.parts.store.find(day).await? {
            None => true,
            Some(found) => matches!(found.state, DayState::Dropped | DayState::Restored { .. }),
        };
        if resting {
            self.parts.store.plan(day).await?;
        }
        self.advance(&[day], turn, tell).await
    }

    /// Has a day that failed exported anew, or one whose loading is stuck stay in the archive.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub async fn retry(&self, day: Date, tell: Tell<'_>) -> Result<(), ArchiveError> {
        let mut turn = self.turn().await?;
        let ended = self.again(day, turn.as_mut(), tell).await;
        turn.end().await;
        ended
    }

    async fn again(
        &self,
        day: Date,
        turn: &mut dyn Turn,
        tell: Tell<'_>,
    ) -> Result<(), ArchiveError> {
        let found = self.parts.store.find(day).await?;
        match found.ok_or(ArchiveError::NoSuchDay(day))?.state {
            DayState::Restoring { .. } => self.parts.returns.return_abandon(day).await?,
            DayState::Failed { .. } => self.parts.store.retried(day).await?,
            // On its way, or at rest: there is nothing to take back.
            DayState::Planned
            | DayState::Detached
            | DayState::Exported
            | DayState::Verified
            | DayState::Dropped
            | DayState::Restored { .. } => {}
        }
        self.advance(&[day], turn, tell).await
    }

    /// Which days would be planned now.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub async fn due(&self) -> Result<Vec<Date>, ArchiveError> {
        let now = self.clock.now();
        let kept = time::Duration::days(i64::from(self.limits.keep_days));
        let rest = time::Duration::hours(i64::from(self.limits.late_hours));
        let today = now.date();
        let due = Due {
            before: today.checked_sub(kept).unwrap_or(Date::MIN),
            today,
            at_rest_since: now.saturating_sub(rest),
        };
        self.parts.store.due(due).await
    }

    /// A restored day's last day, if it is to stay for `days`, or for as long as configured.
    #[must_use]
    pub fn stay(&self, days: Option<u16>) -> Option<Date> {
        let days = time::Duration::days(i64::from(days.unwrap_or(self.limits.restore_days)));
        self.clock.now().date().checked_add(days)
    }

    async fn turn(&self) -> Result<Box<dyn Turn>, ArchiveError> {
        let turn = self.parts.store.turn().await?;
        turn.ok_or_else(|| ArchiveError::Refused("another archiver is at work".to_owned()))
    }
}

/// Tries until nobody is in the way, as often as may be.
async fn patiently<T, F>(mut act: impl FnMut() -> F) -> Result<T, ArchiveError>
where
    F: Future<Output = Result<T, ArchiveError>>,
{
    let mut tries = 1;
    loop {
        match act().await {
            Err(ArchiveError::Busy) if tries < TRIES_MAX => {
                tries += 1;
                tokio::time::sleep(PAUSE).await;
            }
            ended => return ended,
        }
    }
}
