//! A day on its way back.

use time::Date;
use tokio::sync::mpsc;

use super::compare::difference_of_file;
use super::{Archiver, Progress, Tell, patiently};
use crate::domain::{ArchiveDay, DayState};
use crate::ports::{ArchiveError, FileFacts, FileStoreError, Files, Turn};

/// Messages of rows that wait to be loaded.
const ROWS_AHEAD: usize = 4;

impl Archiver {
    /// Gives a day its partition again, until after `until` or until it is told to leave. A day
    /// that was on its way out turns back; one that has its partition stays for that long.
    ///
    /// # Errors
    /// [`ArchiveError`]; what was begun is begun anew the next time.
    pub async fn restore(
        &self,
        day: Date,
        until: Option<Date>,
        tell: Tell<'_>,
    ) -> Result<(), ArchiveError> {
        let mut turn = self.turn().await?;
        let ended = self.come_back((day, until), turn.as_mut(), tell).await;
        turn.end().await;
        ended
    }

    async fn come_back(
        &self,
        (day, until): (Date, Option<Date>),
        turn: &mut dyn Turn,
        tell: Tell<'_>,
    ) -> Result<(), ArchiveError> {
        loop {
            let found = self.parts.store.find(day).await?;
            let found = found.ok_or(ArchiveError::NoSuchDay(day))?;
            turn.still().await?;
            match found.state {
                DayState::Planned => patiently(|| self.parts.store.detach(day)).await?,
                DayState::Detached
                | DayState::Exported
                | DayState::Verified
                | DayState::Failed { .. } => {
                    patiently(|| self.parts.returns.give_back(day, until)).await?;
                }
                DayState::Dropped | DayState::Restoring { .. } => {
                    patiently(|| self.parts.returns.return_begin(day, until)).await?;
                    return self.advance(&[day], turn, tell).await;
                }
                DayState::Restored { .. } => {
                    self.parts.returns.keep_until(day, until).await?;
                    tell(&Progress::Restored(day, until));
                    return self.advance(&[day], turn, tell).await;
                }
            }
        }
    }

    /// Loads all files of the day into an empty partition, and has it answer.
    pub(super) async fn load(
        &self,
        day: &ArchiveDay,
        until: Option<Date>,
        tell: Tell<'_>,
    ) -> Result<(), ArchiveError> {
        // What an attempt before had loaded goes.
        patiently(|| self.parts.returns.return_begin(day.day, until)).await?;
        let files = self.parts.store.files(day, Files::ThatAnswer).await?;
        let mut loaded = 0;
        for file in &files {
            loaded += self.load_file(day, file).await?;
        }
        tradepost_crash::point("metrics.archive.loaded");
        patiently(|| self.parts.returns.return_finish(day.day)).await?;
        tell(&Progress::Loaded(day.day, loaded));
        tell(&Progress::Restored(day.day, until));
        Ok(())
    }

    async fn load_file(&self, day: &ArchiveDay, file: &FileFacts) -> Result<i64, ArchiveError> {
        let (out, rows) = mpsc::channel(ROWS_AHEAD);
        let reading = async {
            let read = self.parts.files.read(file, Some(out.clone())).await?;
            if let Some(what) = difference_of_file(file, &read) {
                let path = file.path.clone();
                return Err(FileStoreError::Damaged { path, what });
            }
            // Only what is right has an end.
            let _ = out.send(None).await;
            drop(out);
            Ok(())
        };
        let (read, loaded) = tokio::join!(reading, self.parts.returns.load(day.day, rows));
        match (read, loaded) {
            (Ok(()), loaded) => loaded,
            (Err(FileStoreError::Interrupted), Err(error)) => Err(error),
            (Err(error), _) => Err(error.into()),
        }
    }
}
