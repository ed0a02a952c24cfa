//! How far people have read, on its way to the database. What waits is the furthest place in each
//! stream: however slow the database is, or how often it fails, nothing that was read is forgotten.

use std::collections::hash_map::Entry as Slot;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tradepost_notifications::stream::Stream;

use crate::ports::{Cursors, Reader};

/// Cursors of so many people are moved at once.
const AT_ONCE_MAX: usize = 64;
/// People whose cursors wait: as many as may be connected, so that only people who have left while
/// the database was away are ever passed over.
const WAITING_MAX: usize = 20_000;
/// How long to wait when the database does not do it.
const BACK_OFF: Duration = Duration::from_secs(1);

type Places = BTreeMap<Stream, u64>;

/// Cursors that are to be moved.
pub(super) struct Reads {
    cursors: Cursors,
    waiting: Mutex<Waiting>,
    ready: Notify,
}

#[derive(Default)]
struct Waiting {
    places: HashMap<Reader, Places>,
    /// Each of them once.
    order: VecDeque<Reader>,
}

impl Reads {
    pub(super) fn new(cursors: Cursors) -> Arc<Self> {
        Arc::new(Self {
            cursors,
            waiting: Mutex::default(),
            ready: Notify::new(),
        })
    }

    /// The reader has read these streams up to there.
    pub(super) fn put(&self, reader: &Reader, streams: impl IntoIterator<Item = (Stream, u64)>) {
        let is_taken = self.waiting().put(reader, streams);
        if is_taken {
            self.ready.notify_one();
        } else {
            tracing::warn!(
                event = "live.read_skipped",
                "too many people's cursors wait for the database"
            );
        }
    }

    /// Moves what waits until the token is cancelled, and what waits then.
    pub(super) async fn run(self: Arc<Self>, until: CancellationToken) {
        let coming = stream::unfold((), async |()| Some((self.next().await, ())));
        let moved = coming
            .take_until(until.cancelled())
            .for_each_concurrent(AT_ONCE_MAX, |due| self.save(due, &until));
        moved.await;
        let left = std::iter::from_fn(|| self.waiting().pop()).collect::<Vec<_>>();
        stream::iter(left)
            .for_each_concurrent(AT_ONCE_MAX, |due| self.save(due, &until))
            .await;
    }

    async fn next(&self) -> (Reader, Places) {
        loop {
            if let Some(due) = self.waiting().pop() {
                return due;
            }
            self.ready.notified().await;
        }
    }

    /// What could not be moved waits again, behind the others.
    async fn save(&self, (reader, places): (Reader, Places), until: &CancellationToken) {
        let streams: Vec<_> = places.into_iter().collect();
        if let Err(error) = self.cursors.read(&reader, &streams).await {
            tracing::warn!(
                event = "live.read_failed",
                error = &error as &dyn std::error::Error,
                "a read cursor did not move; tried again"
            );
            self.put(&reader, streams);
            let pause = tokio::time::sleep(BACK_OFF);
            let _ended = until.run_until_cancelled(pause).await;
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // No step leaves half a state behind.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Whether there was room.
    fn put(&mut self, reader: &Reader, streams: impl IntoIterator<Item = (Stream, u64)>) -> bool {
        let is_full = self.order.len() >= WAITING_MAX;
        let places = match self.places.entry(reader.clone()) {
            Slot::Occupied(known) => known.into_mut(),
            Slot::Vacant(_) if is_full => return false,
            Slot::Vacant(free) => {
                self.order.push_back(reader.clone());
                free.insert(Places::new())
            }
        };
        for (stream, seq) in streams {
            let place = places.entry(stream).or_default();
            *place = seq.max(*place);
        }
        true
    }

    fn pop(&mut self) -> Option<(Reader, Places)> {
        let reader = self.order.pop_front()?;
        let places = self.places.remove(&reader)?;
        Some((reader, places))
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use tokio::sync::Semaphore;
    use tradepost_postgres::DbError;
    use tradepost_types::TenantId;

    use super::*;
    use crate::ports::{ReadCursors, StoreError};

    type Moved = (Reader, Vec<(Stream, u64)>);

    /// Does as much as it is let, and fails for as long as it is told.
    struct Slow {
        may: Semaphore,
        failures: Mutex<u32>,
        moved: Mutex<Vec<Moved>>,
    }

    #[async_trait]
    impl ReadCursors for Slow {
        async fn read(&self, reader: &Reader, streams: &[(Stream, u64)]) -> Result<(), StoreError> {
            self.may.acquire().await.unwrap().forget();
            let mut failures = self.failures.lock().unwrap();
            if let Some(left) = failures.checked_sub(1) {
                *failures = left;
                return Err(StoreError::Database(DbError::from(sqlx::Error::PoolClosed)));
            }
            let moved = (reader.clone(), streams.to_vec());
            self.moved.lock().unwrap().push(moved);
            Ok(())
        }
    }

    fn slow(failures: u32) -> (Arc<Slow>, Arc<Reads>) {
        let slow = Arc::new(Slow {
            may: Semaphore::new(0),
            failures: Mutex::new(failures),
            moved: Mutex::default(),
        });
        let reads = Reads::new(Arc::clone(&slow) as _);
        (slow, reads)
    }

    fn reader(name: &str) -> Reader {
        Reader {
            tenant: TenantId::new(),
            user: name.parse().unwrap(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_that_was_read_is_forgotten_however_many_read_at_once() {
        let (slow, reads) = slow(0);
        let until = CancellationToken::new();
        let people: Vec<_> = (0..1_000).map(|n| reader(&format!("user-{n}"))).collect();
        let running = Arc::clone(&reads).run(until.clone());
        let reading = async {
            // More than are moved at once, and each goes on before it was moved.
            for seq in [1, 3, 2] {
                people
                    .iter()
                    .for_each(|one| reads.put(one, [(Stream::User, seq)]));
                tokio::task::yield_now().await;
            }
            slow.may.add_permits(10_000);
            until.cancel();
        };

        tokio::join!(running, reading);

        let moved = slow.moved.lock().unwrap();
        for one in &people {
            let furthest = moved.iter().filter(|(reader, _)| reader == one);
            let furthest = furthest
                .flat_map(|(_, streams)| streams)
                .map(|(_, seq)| seq);
            assert_eq!(furthest.max(), Some(&3));
        }
        assert!(moved.len() < 2_000, "{}: gathered", moved.len());
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_database_did_not_move_is_moved_later() {
        let (slow, reads) = slow(5);
        let until = CancellationToken::new();
        slow.may.add_permits(100);
        let ada = reader("ada");
        let running = Arc::clone(&reads).run(until.clone());
        let reading = async {
            reads.put(&ada, [(Stream::User, 7)]);
            // Time goes on when nothing else is to be done.
            while slow.moved.lock().unwrap().is_empty() {
                tokio::time::sleep(BACK_OFF).await;
            }
            until.cancel();
        };

        tokio::join!(running, reading);

        let moved = slow.moved.lock().unwrap();
        assert_eq!(*moved, [(ada, vec![(Stream::User, 7)])]);
    }
}
