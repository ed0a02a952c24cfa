//! Days side by side, a step of each in a round.

use std::mem;

use futures::future::join_all;
use time::Date;

use super::{Archiver, Progress, Tell};
use crate::domain::{ArchiveDay, DayState, Step};
use crate::ports::{ArchiveError, Turn};

/// Days that are taken together. While the rows of one come from the database those of another are
/// encoded or read back; each of them needs its room twice, and memory to be sorted in.
pub(super) const DAYS_AT_ONCE: usize = 2;

impl Archiver {
    /// Takes days step by step to where they rest. In a round the steps that only read go side by
    /// side; those that move partitions come after them one by one, since they would wait for each
    /// reader.
    ///
    /// # Errors
    /// [`ArchiveError`] of the first day that could not go on; a day that is at fault itself does
    /// not hold up the others.
    pub(super) async fn advance(
        &self,
        days: &[Date],
        turn: &mut dyn Turn,
        tell: Tell<'_>,
    ) -> Result<(), ArchiveError> {
        let (mut open, mut first) = (days.to_vec(), Ok(()));
        while !open.is_empty() {
            turn.still().await?;
            let (mut beside, mut alone) = (Vec::new(), Vec::new());
            for day in mem::take(&mut open) {
                let found = self.parts.store.find(day).await?;
                let found = found.ok_or(ArchiveError::NoSuchDay(day))?;
                match found.state.step() {
                    Some(step) if step.moves_partitions() => alone.push((step, found)),
                    Some(step) => beside.push((step, found)),
                    None => {
                        go_on(&mut first, self.rest(&found, tell).await)?;
                    }
                }
            }
            let taken: Vec<_> = beside
                .iter()
                .map(|(step, found)| self.pass(*step, found, tell))
                .collect();
            let mut ended: Vec<_> = join_all(taken).await;
            for (step, found) in &alone {
                turn.still().await?;
                ended.push(self.pass(*step, found, tell).await);
            }
            for ((_, found), ended) in beside.iter().chain(&alone).zip(ended) {
                if go_on(&mut first, ended)? {
                    open.push(found.day);
                }
            }
        }
        first
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

/// Whether to go on with a day. The first fault of one is kept; one that is not the day's own ends
/// all.
pub(super) fn go_on(
    first: &mut Result<(), ArchiveError>,
    ended: Result<(), ArchiveError>,
) -> Result<bool, ArchiveError> {
    match ended {
        Ok(()) => Ok(true),
        Err(error) if error.is_of_one_day() => {
            if first.is_ok() {
                *first = Err(error);
            }
            Ok(false)
        }
        Err(error) => Err(error),
    }
}
