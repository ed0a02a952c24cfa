//! However events are spread over places and pieces, they come once each and in order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use proptest::prelude::*;
use tradepost_types::TenantId;

use super::merge::Merge;
use super::source::Place;
use crate::domain::Range;
use crate::ports::{
    ArchiveFiles, ArchiveReadError, Archived, ArchivedEvents, ArchivedFile, EventsQuestion,
    FileQuestion, Order, StoredEvent,
};

/// An archive whose files are named by their numbers, read in pieces of `step` rows.
struct Shelf {
    files: Vec<Vec<(i64, i64)>>,
    step: usize,
    opened: Arc<AtomicUsize>,
}

struct Pieces {
    left: VecDeque<StoredEvent>,
    step: usize,
    opened: Option<Arc<AtomicUsize>>,
}

fn event((at_ms, id): (i64, i64)) -> StoredEvent {
    StoredEvent {
        at_ms,
        id,
        event_type: "a".to_owned(),
        user: String::new(),
        value: 0.0,
    }
}

#[async_trait]
impl ArchivedEvents for Pieces {
    async fn more(&mut self) -> Result<Option<Vec<StoredEvent>>, ArchiveReadError> {
        if let Some(opened) = self.opened.take() {
            opened.fetch_add(1, Ordering::Relaxed);
            // A part without what was wanted is not the end.
            return Ok(Some(Vec::new()));
        }
        let piece: Vec<_> = self.left.drain(..self.step.min(self.left.len())).collect();
        Ok((!piece.is_empty()).then_some(piece))
    }
}

impl ArchiveFiles for Shelf {
    fn read(&self, file: &ArchivedFile, question: &FileQuestion) -> Box<dyn ArchivedEvents> {
        let range = question.range.start_ms..question.range.end_ms;
        let keys = self.files[file.path.parse::<usize>().unwrap()].iter();
        let keys = keys.filter(|(at_ms, _)| range.contains(at_ms)).copied();
        let left: VecDeque<_> = match question.order {
            Order::OldestFirst => keys.map(event).collect(),
            Order::NewestFirst => keys.rev().map(event).collect(),
        };
        Box::new(Pieces {
            left,
            step: self.step,
            opened: Some(Arc::clone(&self.opened)),
        })
    }
}

fn file(number: usize, keys: &[(i64, i64)]) -> ArchivedFile {
    ArchivedFile {
        path: number.to_string(),
        bytes: 0,
        rows: keys.len() as u64,
        first_ms: keys.first().map_or(0, |key| key.0),
        last_ms: keys.last().map_or(0, |key| key.0),
    }
}

fn question(start_ms: i64, end_ms: i64, after: Option<(i64, i64)>) -> EventsQuestion {
    EventsQuestion {
        tenant: TenantId::new(),
        range: Range { start_ms, end_ms },
        event_type: None,
        after,
        limit: 0,
    }
}

/// A page of a merge, and how many files were opened for it.
fn page(
    files: &[Vec<(i64, i64)>],
    hot: &[(i64, i64)],
    question: &EventsQuestion,
    (order, step, limit): (Order, usize, usize),
) -> (Vec<(i64, i64)>, usize) {
    let opened = Arc::new(AtomicUsize::new(0));
    let shelf: Archived = Arc::new(Shelf {
        files: files.to_vec(),
        step,
        opened: Arc::clone(&opened),
    });
    let range = question.range;
    let mut keys: Vec<_> = hot
        .iter()
        .filter(|key| (range.start_ms..range.end_ms).contains(&key.0))
        .filter(|key| question.after.is_none_or(|after| **key < after))
        .copied()
        .collect();
    if order == Order::NewestFirst {
        keys.reverse();
    }
    let mut places = vec![Place::of_page(keys.into_iter().map(event).collect())];
    for (number, keys) in files.iter().enumerate() {
        let file = file(number, keys);
        places.push(match order {
            Order::NewestFirst => Place::of_file(&shelf, &file, question, range),
            Order::OldestFirst => Place::in_order(&shelf, &file, (question, range), order),
        });
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let page = runtime
        .block_on(Merge::new(places, order).next(limit))
        .unwrap();
    let keys = page.iter().map(|event| (event.at_ms, event.id)).collect();
    (keys, opened.load(Ordering::Relaxed))
}

/// Each key in one of several places, sorted.
fn places() -> impl Strategy<Value = Vec<Vec<(i64, i64)>>> {
    let keys = prop::collection::btree_set((-20_i64..20, 0_i64..6), 0..80);
    let spread = (keys, prop::collection::vec(0_usize..5, 80));
    spread.prop_map(|(keys, to)| {
        let mut places = vec![Vec::new(); 5];
        for (key, place) in keys.into_iter().zip(to) {
            places[place].push(key);
        }
        places
    })
}

proptest! {
    #[test]
    fn a_merge_has_each_event_once_and_in_order(
        places in places(), start in -20_i64..20, len in 1_i64..40, step in 1_usize..7,
        limit in 1_usize..90, after in proptest::option::of((-20_i64..20, 0_i64..6)),
    ) {
        let (hot, files) = places.split_first().unwrap();
        let mut wanted: Vec<_> = places.concat();
        wanted.sort_unstable();
        wanted.retain(|key| (start..start + len).contains(&key.0));

        let up = question(start, start + len, None);
        let up = page(files, hot, &up, (Order::OldestFirst, step, limit)).0;
        prop_assert!(up.iter().eq(wanted.iter().take(limit)));

        wanted.retain(|key| after.is_none_or(|after| *key < after));
        let down = question(start, start + len, after);
        let down = page(files, hot, &down, (Order::NewestFirst, step, limit)).0;
        prop_assert!(down.iter().eq(wanted.iter().rev().take(limit)));
    }
}

#[test]
fn a_page_opens_no_file_that_is_older_than_its_last_event() {
    let files = [vec![(1, 0), (2, 0)], vec![(3, 0), (9, 0)], vec![(20, 0)]];
    let all = question(0, 100, None);

    let (keys, opened) = page(&files, &[(8, 0), (10, 0)], &all, (Order::NewestFirst, 1, 4));

    assert_eq!(keys, [(20, 0), (10, 0), (9, 0), (8, 0)]);
    assert_eq!(opened, 2);
}
