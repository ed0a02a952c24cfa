//! The steps of a day on its way out.

use futures::{StreamExt, TryStreamExt, stream};
use tokio::sync::mpsc;

use super::compare::difference;
use super::{Archiver, Progress, READ_AT_ONCE, Tell, patiently};
use crate::domain::{ArchiveDay, Step};
use crate::ports::{ArchiveError, FileFacts, FileStoreError, Files};

/// Messages of rows that wait to be written: about a megabyte each.
const ROWS_AHEAD: usize = 8;

impl Archiver {
    pub(super) async fn take(
        &self,
        step: Step,
        day: &ArchiveDay,
        tell: Tell<'_>,
    ) -> Result<(), ArchiveError> {
        match step {
            Step::Detach => {
                patiently(|| self.parts.store.detach(day.day)).await?;
                tell(&Progress::Detached(day.day));
                Ok(())
            }
            Step::Export => self.export(day, tell).await,
            Step::Verify => self.verify(day, tell).await,
            Step::Drop => self.drop_rows(day, tell).await,
            Step::Load { until } => self.load(day, until, tell).await,
        }
    }

    /// Database, encoder and store work side by side; what is between them is bounded.
    async fn export(&self, day: &ArchiveDay, tell: Tell<'_>) -> Result<(), ArchiveError> {
        let (out, rows) = mpsc::channel(ROWS_AHEAD);
        let (sent, written) = tokio::join!(
            self.parts.store.rows(day.day, out),
            self.parts.files.write(day, rows),
        );
        let (sent, files) = match (sent, written) {
            (Ok(sent), Ok(files)) => (sent, files),
            // One of them stopped because the other one had.
            (Err(error), Err(FileStoreError::Interrupted)) | (Err(error), Ok(_)) => {
                return Err(error);
            }
            (_, Err(error)) => return Err(error.into()),
        };
        let rows: i64 = files.iter().map(|file| file.tally.rows).sum();
        if rows != sent {
            return Err(ArchiveError::Unmovable(format!(
                "{sent} rows were sent, {rows} were written"
            )));
        }
        tradepost_crash::point("metrics.archive.before_manifest");
        self.parts.store.exported(day, &files).await?;
        let bytes = files.iter().map(|file| file.bytes).sum();
        tell(&Progress::Exported(day.day, files.len(), rows, bytes));
        Ok(())
    }

    async fn verify(&self, day: &ArchiveDay, tell: Tell<'_>) -> Result<(), ArchiveError> {
        let manifest = self.parts.store.files(day, Files::OfEdition).await?;
        let (read, counted) =
            tokio::join!(self.read_back(&manifest), self.parts.store.count(day.day));
        let counted = counted?;
        let fault = match read {
            Ok(read) => difference(&manifest, &read, &counted),
            Err(error @ (FileStoreError::Missing(_) | FileStoreError::Damaged { .. })) => {
                Some(error.to_string())
            }
            // That the store cannot be asked says nothing about the files.
            Err(
                error @ (FileStoreError::Unavailable { .. }
                | FileStoreError::Refused { .. }
                | FileStoreError::Interrupted
                | FileStoreError::Unwritable(_)),
            ) => return Err(error.into()),
        };
        if let Some(reason) = fault {
            return self.differed(day, &reason, tell).await;
        }
        self.parts.store.verified(day).await?;
        tell(&Progress::Verified(day.day));
        Ok(())
    }

    async fn read_back(&self, manifest: &[FileFacts]) -> Result<Vec<FileFacts>, FileStoreError> {
        let reads = manifest.iter().map(|file| self.read_in_turn(file));
        // Collected first: a stream that borrows a closure over references is not general enough.
        let reads: Vec<_> = reads.collect();
        stream::iter(reads)
            .buffered(READ_AT_ONCE)
            .try_collect()
            .await
    }

    async fn read_in_turn(&self, file: &FileFacts) -> Result<FileFacts, FileStoreError> {
        let permit = self.reads.acquire().await;
        let _permit = permit.map_err(|_closed| FileStoreError::Interrupted)?;
        self.parts.files.read(file, None).await
    }

    async fn drop_rows(&self, day: &ArchiveDay, tell: Tell<'_>) -> Result<(), ArchiveError> {
        match patiently(|| self.parts.store.drop_rows(day.day)).await {
            Ok(()) => {
                tell(&Progress::Dropped(day.day));
                Ok(())
            }
            Err(ArchiveError::Differs(reason)) => self.differed(day, &reason, tell).await,
            Err(error) => Err(error),
        }
    }

    async fn differed(
        &self,
        day: &ArchiveDay,
        reason: &str,
        tell: Tell<'_>,
    ) -> Result<(), ArchiveError> {
        self.parts.store.differed(day, reason).await?;
        self.metrics.failed();
        tell(&Progress::Differed(day.day, reason.to_owned()));
        Ok(())
    }
}
