//! What waits to be carried to other nodes. It is bounded, and the oldest goes when it is full:
//! other nodes see by the numbers that something is missing, and look at the database.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tradepost_notifications::stream::Epoch;

use super::KnownEpoch;
use crate::metrics::{Carried, NodeMetrics};
use crate::ports::Announcement;

/// The most announcements that wait.
const WAITING_MAX: usize = 50_000;
/// The most bytes of them.
const WAITING_BYTES_MAX: usize = 16 * 1_024 * 1_024;
/// The most announcements of a parcel.
const PARCEL_MAX: usize = 256;
/// A parcel with so many bytes gets no further announcement.
const PARCEL_BYTES: usize = 64 * 1_024;
/// What an announcement takes beside its text, about.
const OVERHEAD_BYTES: usize = 200;

/// What a pattern of somebody's preferences takes, about.
const PATTERN_BYTES: usize = 64;

/// The outbox.
#[derive(Debug)]
pub struct Outbox {
    waiting: Mutex<Waiting>,
    ready: Notify,
    epoch: Arc<KnownEpoch>,
    metrics: NodeMetrics,
}

#[derive(Debug, Default)]
struct Waiting {
    items: VecDeque<Item>,
    bytes: usize,
    /// The number of the item at the front, or of the next that comes.
    first: u64,
}

#[derive(Debug)]
struct Item {
    announcement: Announcement,
    epoch: Option<Arc<Epoch>>,
}

/// Announcements that are carried together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// The number of the first; the others follow. What was dropped leaves a hole in the numbers.
    pub first: u64,
    /// The history that they were committed to, as far as it was known then.
    pub epoch: Option<Arc<Epoch>>,
    /// In the order they were put.
    pub announcements: Vec<Announcement>,
}

impl Outbox {
    /// An empty one; what is put is stamped with the epoch that is known then.
    #[must_use]
    pub fn new(epoch: Arc<KnownEpoch>, metrics: NodeMetrics) -> Self {
        Self {
            waiting: Mutex::default(),
            ready: Notify::new(),
            epoch,
            metrics,
        }
    }

    /// Puts them at the end. Never waits: the oldest go if there is no room.
    pub fn put(&self, announcements: Vec<Announcement>) {
        let epoch = self.epoch.get();
        let mut dropped = 0;
        {
            let mut waiting = self.waiting();
            for announcement in announcements {
                waiting.bytes += bytes(&announcement);
                let epoch = epoch.clone();
                waiting.items.push_back(Item {
                    announcement,
                    epoch,
                });
            }
            while waiting.items.len() > WAITING_MAX || waiting.bytes > WAITING_BYTES_MAX {
                let _oldest = waiting.pop();
                dropped += 1;
            }
        }
        self.metrics.carried(Carried::Dropped, dropped);
        self.ready.notify_one();
    }

    /// The next parcel, if anything waits.
    pub fn take(&self) -> Option<Parcel> {
        let mut waiting = self.waiting();
        let mut parcel = Parcel {
            first: waiting.first,
            epoch: waiting.items.front()?.epoch.clone(),
            announcements: Vec::new(),
        };
        let mut taken = 0;
        while parcel.announcements.len() < PARCEL_MAX && taken < PARCEL_BYTES {
            if waiting.items.front().map(|item| &item.epoch) != Some(&parcel.epoch) {
                break;
            }
            let Some(announcement) = waiting.pop() else {
                break;
            };
            taken += bytes(&announcement);
            parcel.announcements.push(announcement);
        }
        Some(parcel)
    }

    /// Drops all that waits: there is nobody to carry it.
    pub fn clear(&self) {
        let dropped = {
            let mut waiting = self.waiting();
            let dropped = waiting.items.len();
            waiting.items.clear();
            waiting.bytes = 0;
            waiting.first += dropped as u64;
            dropped
        };
        self.metrics.carried(Carried::Dropped, dropped);
    }

    /// Returns when something was put since it returned last.
    pub async fn ready(&self) {
        self.ready.notified().await;
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn pop(&mut self) -> Option<Announcement> {
        let item = self.items.pop_front()?;
        self.bytes = self.bytes.saturating_sub(bytes(&item.announcement));
        self.first += 1;
        Some(item.announcement)
    }
}

fn bytes(announcement: &Announcement) -> usize {
    let text = match announcement {
        Announcement::Entry(entry) => entry.text.len(),
        Announcement::Signal(signal) => signal.text.len(),
        Announcement::Member(_) | Announcement::Read(_) => 0,
        Announcement::Preferences(change) => {
            let preferences = change.preferences.as_ref();
            preferences.map_or(0, |some| {
                (some.muted.len() + some.rules.len()) * PATTERN_BYTES
            })
        }
    };
    text + OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tradepost_types::TenantId;

    use super::*;
    use crate::ports::{Signal, StreamKey, Whose};

    fn outbox() -> Outbox {
        Outbox::new(Arc::default(), NodeMetrics::default())
    }

    fn signals(count: usize, bytes: usize) -> Vec<Announcement> {
        let key = StreamKey {
            tenant: TenantId::new(),
            whose: Whose::User("ada".parse().unwrap()),
        };
        let signal = Signal {
            key,
            collapse: None,
            text: Bytes::from(vec![b'a'; bytes]),
        };
        vec![Announcement::Signal(signal); count]
    }

    fn taken(outbox: &Outbox) -> Vec<(u64, usize)> {
        let parcels = std::iter::from_fn(|| outbox.take());
        parcels
            .map(|one| (one.first, one.announcements.len()))
            .collect()
    }

    #[test]
    fn parcels_are_bounded_and_their_numbers_go_on() {
        let outbox = outbox();

        outbox.put(signals(PARCEL_MAX + 3, 1));
        outbox.put(signals(2, PARCEL_BYTES));

        let first = PARCEL_MAX as u64;
        let wanted = [(0, PARCEL_MAX), (first, 4), (first + 4, 1)];
        assert_eq!(taken(&outbox), wanted);
        assert_eq!(outbox.take(), None);
    }

    #[test]
    fn a_full_one_drops_the_oldest_and_the_numbers_show_it() {
        let outbox = outbox();

        outbox.put(signals(WAITING_MAX, 0));
        outbox.put(signals(10, 0));

        let parcels = taken(&outbox);
        assert_eq!(parcels[0].0, 10);
        assert_eq!(parcels.iter().map(|one| one.1).sum::<usize>(), WAITING_MAX);
    }

    #[test]
    fn a_full_one_is_bounded_in_bytes_too() {
        let outbox = outbox();

        outbox.put(signals(1_000, 64 * 1_024));

        let kept = taken(&outbox).iter().map(|one| one.1).sum::<usize>();
        assert!(
            kept * 64 * 1_024 <= WAITING_BYTES_MAX && kept > 200,
            "{kept}"
        );
    }

    #[test]
    fn a_parcel_is_of_one_history() {
        let epoch = Arc::<KnownEpoch>::default();
        let outbox = Outbox::new(Arc::clone(&epoch), NodeMetrics::default());

        outbox.put(signals(2, 0));
        epoch.set(&Epoch("a".into()));
        outbox.put(signals(3, 0));
        epoch.set(&Epoch("b".into()));
        outbox.put(signals(4, 0));

        let parcels: Vec<_> = std::iter::from_fn(|| outbox.take()).collect();
        let of = |name: &str| Some(Arc::new(Epoch(name.into())));
        let epochs: Vec<_> = parcels.iter().map(|one| one.epoch.clone()).collect();
        assert_eq!(epochs, [None, of("a"), of("b")]);
        assert_eq!(parcels[2].first, 5);
    }

    #[test]
    fn clearing_leaves_a_hole_in_the_numbers() {
        let outbox = outbox();

        outbox.put(signals(3, 0));
        outbox.clear();
        outbox.put(signals(1, 0));

        assert_eq!(taken(&outbox), [(3, 1)]);
    }
}
