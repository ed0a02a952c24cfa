//! What users were told, and what of it they have read.

use std::sync::Arc;

use tradepost_notifications::stream::Stream;

use crate::ports::{
    Announcement, Announcer, Cursor, Histories, HistoryQuestion, Kept, Marked, Reader, StoreError,
};

/// Why no cursor was moved.
#[derive(Debug, thiserror::Error)]
pub enum NotMarked {
    /// The user is not in that group.
    #[error("the user has no such stream")]
    NoStream(Stream),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reads histories and moves read cursors. Cheap to clone.
#[derive(Clone)]
pub struct ReadHistory {
    store: Arc<dyn Histories>,
    announcer: Announcer,
}

impl ReadHistory {
    /// Reads that store, and announces what was read.
    #[must_use]
    pub const fn new(store: Arc<dyn Histories>, announcer: Announcer) -> Self {
        Self { store, announcer }
    }

    /// A piece of the reader's history, newest first.
    ///
    /// # Errors
    /// The store's.
    pub async fn page(
        &self,
        reader: &Reader,
        question: &HistoryQuestion,
    ) -> Result<Vec<Kept>, StoreError> {
        self.store.page(reader, question).await
    }

    /// Where all cursors of the reader stand, their own stream first.
    ///
    /// # Errors
    /// The store's.
    pub async fn cursors(&self, reader: &Reader) -> Result<Vec<Cursor>, StoreError> {
        self.store.cursors(reader).await
    }

    /// Moves the reader's cursors, all to the top if none is named, tells their other connections, and
    /// says where all stand now.
    ///
    /// # Errors
    /// [`NotMarked`]; no cursor is moved then.
    pub async fn mark(
        &self,
        reader: &Reader,
        marks: &[(Stream, u64)],
    ) -> Result<Vec<Cursor>, NotMarked> {
        match self.store.mark(reader, marks).await? {
            Marked::Done(cursors, moves) => {
                let moves = moves.into_iter().map(Announcement::Read).collect();
                self.announcer.announce(moves);
                Ok(cursors)
            }
            Marked::NoStream(stream) => Err(NotMarked::NoStream(stream)),
        }
    }
}
