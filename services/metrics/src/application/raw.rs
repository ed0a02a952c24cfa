//! Single events of one tenant out of the database and the archive, as one list.

mod export;
mod merge;
mod source;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use export::{Content, Export, ExportLimits, ExportOrder, Exports, NotExported};

use crate::domain::Range;
use crate::ports::{
    ArchiveReadError, Archived, EventsQuestion, Order, RawEvents, StoreError, StoredEvent,
};
use merge::Merge;
use source::{Place, files};

/// Archived files that one page may reach into: of a month, each day's and some late ones.
const PAGE_FILES_MAX: usize = 128;
/// How long a page may wait for the archive.
const PAGE_TIME_MAX: Duration = Duration::from_secs(10);

/// Why events were not read.
#[derive(Debug, thiserror::Error)]
pub enum NotRead {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file of the archive cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveReadError),
    /// There are archived events, and no archive is configured or it does not answer in time.
    #[error("the archive does not answer")]
    ArchiveAway,
    /// The range reaches into more files than one answer may.
    #[error("the range reaches into more than {files_max} archived files; take a shorter one")]
    TooManyFiles {
        /// The most.
        files_max: usize,
    },
}

/// Pages of single events.
#[derive(Clone)]
pub struct Listing {
    store: RawEvents,
    archive: Option<Archived>,
}

impl Listing {
    /// Pages out of the database and, if there is one, the archive.
    #[must_use]
    pub fn new(store: RawEvents, archive: Option<Archived>) -> Self {
        Self { store, archive }
    }

    /// The same, out of that archive too.
    #[must_use]
    pub fn reaching(self, archive: Archived) -> Self {
        Self::new(self.store, Some(archive))
    }

    /// Single events, newest first.
    ///
    /// # Errors
    /// [`NotRead`], rather than a page with a gap.
    pub async fn page(&self, question: &EventsQuestion) -> Result<Vec<StoredEvent>, NotRead> {
        let limit = usize::try_from(question.limit).unwrap_or_default();
        let mut cut = self.store.cut(question.tenant, PAGE_TIME_MAX).await?;
        let hot = cut.events(question, Order::NewestFirst).await?;
        // What is no older than the last of a full page is all that can be on it.
        let left = Range {
            start_ms: match hot.last() {
                Some(last) if hot.len() >= limit => last.at_ms.max(question.range.start_ms),
                _ => question.range.start_ms,
            },
            end_ms: match question.after {
                Some((at_ms, _)) => question.range.end_ms.min(at_ms.saturating_add(1)),
                None => question.range.end_ms,
            },
        };
        if left.end_ms <= left.start_ms {
            return Ok(hot);
        }
        let found = files(cut.as_mut(), left, PAGE_FILES_MAX).await?;
        // The files stay as they are: the database need not wait for them.
        drop(cut);
        if found.is_empty() {
            return Ok(hot);
        }
        let archive = self.archive.as_ref().ok_or(NotRead::ArchiveAway)?;
        let mut places = vec![Place::of_page(hot)];
        for file in &found {
            places.push(Place::of_file(archive, file, question, left));
        }
        let mut merge = Merge::new(places, Order::NewestFirst);
        let page = tokio::time::timeout(PAGE_TIME_MAX, merge.next(limit));
        page.await.map_err(|_elapsed| NotRead::ArchiveAway)?
    }
}
