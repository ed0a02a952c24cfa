//! Several ordered sources as one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::NotRead;
use super::source::Place;
use crate::ports::{Order, StoredEvent};

/// Events of several places in one order. A place is opened only when what it may have comes next.
pub(super) struct Merge {
    places: Vec<Place>,
    order: Order,
    heads: BinaryHeap<Reverse<Head>>,
}

/// What comes next of a place. Before an event is known a place stands where its first may be, and
/// before all that are known to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Head {
    time: i64,
    id: Option<i64>,
    place: usize,
}

impl Merge {
    pub(super) fn new(places: Vec<Place>, order: Order) -> Self {
        let mut merge = Self {
            places,
            order,
            heads: BinaryHeap::new(),
        };
        for at in 0..merge.places.len() {
            merge.line_up(at);
        }
        merge
    }

    /// The next events, at most `limit`; none is the end.
    pub(super) async fn next(&mut self, limit: usize) -> Result<Vec<StoredEvent>, NotRead> {
        let mut events = Vec::with_capacity(limit.min(8_192));
        while events.len() < limit {
            let Some(Reverse(head)) = self.heads.pop() else {
                break;
            };
            let Some(place) = self.places.get_mut(head.place) else {
                continue;
            };
            match head.id {
                None => place.fetch().await?,
                Some(_) => events.extend(place.events.pop_front()),
            }
            self.line_up(head.place);
        }
        Ok(events)
    }

    fn line_up(&mut self, at: usize) {
        let Some(place) = self.places.get(at) else {
            return;
        };
        // Turned around, the greatest is the least.
        let turned = |value: i64| match self.order {
            Order::OldestFirst => value,
            Order::NewestFirst => !value,
        };
        let (time, id) = match place.events.front() {
            Some(event) => (event.at_ms, Some(turned(event.id))),
            None => match place.next_ms() {
                Some(time) => (time, None),
                None => return,
            },
        };
        self.heads.push(Reverse(Head {
            time: turned(time),
            id,
            place: at,
        }));
    }
}
