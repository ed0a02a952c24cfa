//! Days side by side, each step by step to where it rests.

use futures::{StreamExt, stream};
use time::Date;
use tokio::sync::Mutex;

use super::{Archiver, Progress, Tell};
use crate::domain::{ArchiveDay, DayState, Step};
use crate::ports::{ArchiveError, Turn};

/// Days that are taken together. While the rows of one come from the database those of another are
/// encoded or read back; each of them needs its room twice, and memory to be sorted in.
const DAYS_AT_ONCE: usize = 3;

/// What the days that are taken together share.
struct Beside<'a> {
    turn: Mutex<&'a mut dyn Turn>,
    /// Who moves a partition. One at a time: two would wait for each other's locks, and give up.
    moves: Mutex<()>,
    tell: Tell<'a>,
}

impl Archiver {
    /// Takes days to where they rest, several at a time. None waits for another one, but those that
    /// move their partitions do it one by one; who reads a day reads its partition alone, and is in
    /// nobody's way.
    ///
    /// # Errors
    /// [`ArchiveError`] of the first day that could not go on; a day that is at fault itself does
    /// not hold up the others. Any other error ends them in the midst of their steps, as a kill
    /// would.
    pub(super) async fn advance(
        &self,
        days: &[Date],
        turn: &mut dyn Turn,
        tell: Tell<'_>,
    ) -> Result<(), ArchiveError> {
        let beside = Beside {
            turn: Mutex::new(turn),
            moves: Mutex::new(()),
            tell,
        };
        let walks = days.iter().map(|day| self.walk(*day, &beside));
        // Collected first: a stream that borrows a closure over references is not general enough.
        let walks: Vec<_> = walks.collect();
        let mut walks = stream::iter(walks).buffer_unordered(DAYS_AT_ONCE);
        let mut first = Ok(());
        while let Some(ended) = walks.next().await {
            match ended {
                Err(error) if !error.is_of_one_day() => return Err(error),
                ended => first = first.and(ended),
            }
        }
        first
    }

    async fn walk(&self, day: Date, beside: &Beside<'_>) -> Result<(), ArchiveError> {
        loop {
            let found = self.parts.store.find(day).await?;
            let found = found.ok_or(ArchiveError::NoSuchDay(day))?;
            let Some(step) = found.state.step() else {
                return self.rest(&found, beside.tell).await;
            };
            let _moving = if step.moves_partitions() {
                Some(beside.moves.lock().await)
            } else {
                None
            };
            beside.turn.lock().await.still().await?;
            self.pass(step, &found, beside.tell).await?;
        }
    }

    async fn pass(
        &self,
        step: Step,
        found: &ArchiveDay,
        tell: Tell<'_>,
    ) -> Result<(), ArchiveError> {
        tradepost_crash::point("metrics.archive.before_step");
        self.take(step, found, tell).await?;
        tradepost_crash::point("metrics.archive.after_step");
        Ok(())
    }

    /// A day at rest has no objects in the store that its manifest does not know.
    async fn rest(&self, found: &ArchiveDay, tell: Tell<'_>) -> Result<(), ArchiveError> {
        if let DayState::Failed { reason } = &found.state {
            tell(&Progress::Failed(found.day, reason.clone()));
            return Ok(());
        }
        let (paths, swept) = self.parts.store.paths(found.day).await?;
        if !swept {
            let gone = self.parts.files.sweep(&found.prefix(), &paths).await?;
            tradepost_crash::point("metrics.archive.after_sweep");
            self.parts.store.swept(found.day).await?;
            tell(&Progress::Swept(found.day, gone));
        }
        Ok(())
    }
}
