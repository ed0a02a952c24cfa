//! One file, read part by part.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;

use super::{ArchivedFiles, ReadError};
use crate::adapters::parquet::{Blocks, FileError, Layout, Part, Pieces, ROWS_PER_PAGE, Wanted};
use crate::domain::EventType;
use crate::ports::{
    ArchiveReadError, ArchivedEvents, ArchivedFile, FileQuestion, Order, StoredEvent,
};

/// Rows that are read at once: a page of a list is small, an export wants all.
const ROWS_OF_A_LIST: usize = ROWS_PER_PAGE;
const ROWS_OF_AN_EXPORT: usize = 4 * ROWS_PER_PAGE;

/// A file that is being read.
pub(super) struct Reading {
    files: ArchivedFiles,
    file: ArchivedFile,
    question: FileQuestion,
    /// What is left, once it is known.
    left: Option<(Arc<Layout>, VecDeque<Part>)>,
    /// Events of the tenant and range so far.
    seen: u64,
}

impl Reading {
    pub(super) fn new(files: ArchivedFiles, file: ArchivedFile, question: FileQuestion) -> Self {
        Self {
            files,
            file,
            question,
            left: None,
            seen: 0,
        }
    }

    fn wanted(&self) -> Wanted {
        Wanted::Of(self.question.tenant, self.question.range)
    }

    async fn step(&mut self) -> Result<Option<Vec<StoredEvent>>, ReadError> {
        let wanted = self.wanted();
        if self.left.is_none() {
            let layout = self.files.layout(&self.file).await?;
            let parts = layout.find(wanted)?.into_iter();
            let parts = match self.question.order {
                Order::OldestFirst => parts
                    .flat_map(|part| part.split(ROWS_OF_AN_EXPORT))
                    .collect(),
                Order::NewestFirst => parts
                    .rev()
                    .flat_map(|part| part.split(ROWS_OF_A_LIST).into_iter().rev())
                    .collect(),
            };
            self.left = Some((layout, parts));
        }
        let Some((layout, parts)) = &mut self.left else {
            return Ok(None);
        };
        let Some(part) = parts.pop_front() else {
            self.check_all_seen()?;
            return Ok(None);
        };
        let layout = Arc::clone(layout);
        let ranges = layout.bytes_of(&part)?;
        let bytes = self.files.fetch(&self.file.path, &ranges).await?;
        let pieces = Arc::new(Pieces::of(layout.bytes(), &ranges, bytes));
        let blocks = Blocks::new((layout, pieces), vec![part], wanted);
        let event_type = self.question.event_type.clone();
        // Thousands of rows are decoded away from calls that are counted in microseconds.
        let decoded = tokio::task::spawn_blocking(move || decode(blocks, event_type.as_ref()));
        let decoded = decoded.await.map_err(|_panicked| ReadError::Undecoded)??;
        let (mut events, seen) = decoded;
        self.seen += seen;
        if self.question.order == Order::NewestFirst {
            events.reverse();
        }
        Ok(Some(events))
    }

    /// Where all of the tenant's events were wanted, they must be as many as the manifest says.
    fn check_all_seen(&self) -> Result<(), ReadError> {
        let range = self.question.range;
        let all = range.start_ms <= self.file.first_ms && range.end_ms > self.file.last_ms;
        if all && self.seen != self.file.rows {
            return Err(ReadError::Differs);
        }
        Ok(())
    }
}

#[async_trait]
impl ArchivedEvents for Reading {
    async fn more(&mut self) -> Result<Option<Vec<StoredEvent>>, ArchiveReadError> {
        let step = self.step().await;
        step.map_err(|error| ArchiveReadError {
            path: self.file.path.clone(),
            source: error.into(),
        })
    }
}

/// The events of one type or all, and how many there were of any.
fn decode(
    blocks: Blocks,
    event_type: Option<&EventType>,
) -> Result<(Vec<StoredEvent>, u64), FileError> {
    let (mut events, mut seen) = (Vec::new(), 0);
    for block in blocks {
        let block = block?;
        seen += block.len() as u64;
        for event in block.events() {
            let event = event?;
            if event_type.is_some_and(|wanted| wanted.as_str() != event.event_type) {
                continue;
            }
            events.push(StoredEvent {
                at_ms: event.at_ms,
                id: event.id,
                event_type: event.event_type.to_owned(),
                user: event.user.to_owned(),
                value: event.value,
            });
        }
    }
    Ok((events, seen))
}
