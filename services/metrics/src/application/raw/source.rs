//! A place where events lie, read piece by piece.

use std::collections::VecDeque;

use super::NotRead;
use crate::domain::Range;
use crate::ports::{
    Archived, ArchivedEvents, ArchivedFile, Cut, EventsQuestion, FileQuestion, Order, StoredEvent,
};

/// Events of the database that are read at once.
const ROWS_AT_ONCE: i64 = 4_096;

/// The archived files of a range.
pub(super) async fn files(
    cut: &mut dyn Cut,
    range: Range,
    files_max: usize,
) -> Result<Vec<ArchivedFile>, NotRead> {
    let limit = i64::try_from(files_max).unwrap_or(i64::MAX);
    let files = cut.files(range, limit.saturating_add(1)).await?;
    if files.len() > files_max {
        return Err(NotRead::TooManyFiles { files_max });
    }
    Ok(files)
}

/// Where events come from.
enum Source {
    /// All are here.
    Here,
    /// The database, from one moment.
    Database(Box<dyn Cut>, EventsQuestion),
    /// A file.
    File(Box<dyn ArchivedEvents>),
}

/// Events of one place, in order.
pub(super) struct Place {
    /// Those that are here already.
    pub(super) events: VecDeque<StoredEvent>,
    source: Source,
    /// Where the next may be, unless that was the last.
    next_ms: Option<i64>,
    /// What came before, which a page does not have again.
    after: Option<(i64, i64)>,
}

impl Place {
    /// A page that is here.
    pub(super) fn of_page(events: Vec<StoredEvent>) -> Self {
        Self {
            events: events.into(),
            source: Source::Here,
            next_ms: None,
            after: None,
        }
    }

    /// What is in the database, the oldest first.
    pub(super) fn of_database(cut: Box<dyn Cut>, mut question: EventsQuestion) -> Self {
        question.limit = ROWS_AT_ONCE;
        Self {
            events: VecDeque::new(),
            next_ms: Some(question.range.start_ms),
            source: Source::Database(cut, question),
            after: None,
        }
    }

    /// What a file has of a range, newest first, behind where the question is.
    pub(super) fn of_file(
        archive: &Archived,
        file: &ArchivedFile,
        question: &EventsQuestion,
        range: Range,
    ) -> Self {
        let mut place = Self::in_order(archive, file, (question, range), Order::NewestFirst);
        place.after = question.after;
        place
    }

    /// What a file has of a range.
    pub(super) fn in_order(
        archive: &Archived,
        file: &ArchivedFile,
        (question, range): (&EventsQuestion, Range),
        order: Order,
    ) -> Self {
        let wanted = FileQuestion {
            tenant: question.tenant,
            range,
            event_type: question.event_type.clone(),
            order,
        };
        let first = match order {
            Order::NewestFirst => file.last_ms.min(range.end_ms - 1),
            Order::OldestFirst => file.first_ms.max(range.start_ms),
        };
        Self {
            events: VecDeque::new(),
            next_ms: Some(first),
            source: Source::File(archive.read(file, &wanted)),
            after: None,
        }
    }

    /// Where the next may be, unless there is none.
    pub(super) fn next_ms(&self) -> Option<i64> {
        self.next_ms
    }

    /// Fetches what comes next.
    pub(super) async fn fetch(&mut self) -> Result<(), NotRead> {
        match &mut self.source {
            Source::Here => self.next_ms = None,
            Source::Database(cut, question) => {
                let events = cut.events(question, Order::OldestFirst).await?;
                question.after = events.last().map(|last| (last.at_ms, last.id));
                let full = events.len() as i64 >= question.limit;
                self.next_ms = question.after.filter(|_| full).map(|(at_ms, _)| at_ms);
                self.events = events.into();
            }
            Source::File(file) => {
                let more = file.more().await?;
                let last = more.as_ref().and_then(|events| events.last());
                self.next_ms = match (&more, last) {
                    (None, _) => None,
                    (Some(_), Some(last)) => Some(last.at_ms),
                    (Some(_), None) => self.next_ms,
                };
                self.events = more.unwrap_or_default().into();
                if let Some(after) = self.after {
                    self.events.retain(|event| (event.at_ms, event.id) < after);
                }
            }
        }
        Ok(())
    }
}
