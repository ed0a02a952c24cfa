//! Read cursors that are moved over a connection.

use async_trait::async_trait;
use tradepost_notifications::stream::Stream;

use super::{NotMarked, ReadHistory};
use crate::ports::{ReadCursors, Reader, StoreError};

/// Moves cursors as calls do.
#[derive(Clone)]
pub struct MoveCursors(ReadHistory);

impl MoveCursors {
    /// Over this use case.
    #[must_use]
    pub const fn new(history: ReadHistory) -> Self {
        Self(history)
    }
}

#[async_trait]
impl ReadCursors for MoveCursors {
    async fn read(&self, reader: &Reader, streams: &[(Stream, u64)]) -> Result<(), StoreError> {
        // One by one: a group that the reader has just left must not hold up the others; and naming
        // none would mean all.
        for mark in streams {
            match self.0.mark(reader, std::slice::from_ref(mark)).await {
                Ok(_) | Err(NotMarked::NoStream(_)) => {}
                Err(NotMarked::Store(error)) => return Err(error),
            }
        }
        Ok(())
    }
}
