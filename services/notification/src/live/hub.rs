//! Orders every stream on this node and gives it to those who follow it. Pure: it waits for nothing
//! and asks nobody; who uses it brings what the database says.
//!
//! Locks are taken in this order: a person's shard, a connection, a stream's shard, a stream. A
//! stream's lock is held while its entries are given to the connections: that is their order. What a
//! connection's person prefers has a lock of its own below all of them.

mod comings;
mod conn;
mod followed;
mod following;
mod members;
mod opening;
mod people;
mod silence;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tradepost_notifications::stream::{Epoch, Stream};
use tradepost_notifications::wire::{Places, Told, close};
use tradepost_service::Clock;

use super::Line;
use crate::config::LiveConfig;
use crate::metrics::LiveMetrics;
use crate::ports::{Reader, StreamKey, Whose};
use comings::Comings;
pub use conn::Conn;
use conn::Stage;
use followed::Followed;
pub use opening::{Missed, Opening, Step, framed};
use people::{People, Person};

/// Into how many parts tables are cut, so that their locks are seldom waited for.
pub const SHARDS: usize = 64;

type Table<L> = HashMap<StreamKey, Arc<Followed<L>>>;
type Conns<L> = HashMap<u64, Arc<Conn<L>>>;

/// All connections of this node, and the streams that they follow.
pub struct Hub<L: Line> {
    hasher: RandomState,
    streams: Box<[Mutex<Table<L>>]>,
    people: Box<[Mutex<People<L>>]>,
    conns: Box<[Mutex<Conns<L>>]>,
    next_id: AtomicU64,
    open: AtomicUsize,
    epoch: Mutex<Option<Epoch>>,
    /// Streams with a gap, or which had one.
    behind: Mutex<HashSet<StreamKey>>,
    /// Whose streams the database is to be asked about again.
    unsure: Mutex<HashSet<Reader>>,
    is_unsure: Notify,
    /// Who came and went, for those who tell other nodes.
    comings: Mutex<Comings>,
    has_moved: Notify,
    kept_bytes: AtomicUsize,
    limits: Limits,
    metrics: LiveMetrics,
    /// When it is delivered decides whether it is quiet.
    clock: Clock,
}

/// What of the configuration matters here.
#[derive(Debug, Clone)]
struct Limits {
    user_connections_max: usize,
    resume_max: u64,
    entries_max: usize,
    bytes_max: usize,
    /// What one connection may miss, of all its streams.
    backlog_bytes_max: usize,
    heartbeat: Duration,
}

/// What one connection may miss, of all its streams. The rest of its queue is for what comes
/// meanwhile.
pub(super) const fn backlog_bytes_max(config: &LiveConfig) -> usize {
    config.queue_bytes_max / 2
}

impl<L: Line> Hub<L> {
    /// A hub without connections.
    #[must_use]
    pub fn new(config: &LiveConfig, metrics: LiveMetrics) -> Self {
        Self {
            hasher: RandomState::new(),
            streams: shards(),
            people: shards(),
            conns: shards(),
            next_id: AtomicU64::new(0),
            open: AtomicUsize::new(0),
            epoch: Mutex::default(),
            behind: Mutex::default(),
            unsure: Mutex::default(),
            is_unsure: Notify::new(),
            comings: Mutex::default(),
            has_moved: Notify::new(),
            kept_bytes: AtomicUsize::new(0),
            limits: Limits {
                user_connections_max: config.user_connections_max,
                resume_max: config.resume_max.into(),
                entries_max: config.kept_entries_max,
                bytes_max: config.kept_mib_max.saturating_mul(1024 * 1024),
                backlog_bytes_max: backlog_bytes_max(config),
                heartbeat: Duration::from_millis(config.heartbeat_ms),
            },
            metrics,
            clock: Clock::system(),
        }
    }

    /// The same by another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// A further connection. It hears nothing until it was opened (see [`Opening`]), but from now
    /// on nothing of its own stream passes it by. If its person has too many, the oldest goes.
    pub fn enter(&self, reader: Reader, line: L) -> Arc<Conn<L>> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let now = self.clock.now();
        let since_ms = i64::try_from(now.unix_timestamp_nanos() / 1_000_000).unwrap_or_default();
        let backlog_bytes_max = self.limits.backlog_bytes_max;
        let conn = Conn::new((id, since_ms), reader.clone(), line, backlog_bytes_max);
        lock(self.shard_of(id)).insert(id, Arc::clone(&conn));
        let open = self.open.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        self.metrics.connections(open);
        let oldest = {
            let mut people = lock(self.person_shard(&reader));
            let person = people.entry(reader.clone());
            let person = person.or_insert_with(|| Person::since(since_ms));
            person.conns.push(Arc::clone(&conn));
            let is_over = person.conns.len() > self.limits.user_connections_max;
            is_over.then(|| person.conns.remove(0))
        };
        if let Some(oldest) = oldest {
            oldest.close(close::REPLACED, "the person has too many connections");
        }
        self.came_or_went(&reader);
        let own = StreamKey {
            tenant: reader.tenant,
            whose: Whose::User(reader.user),
        };
        self.follow(&conn, &mut conn.lock(), &own);
        conn
    }

    /// The connection is no more. Costs the same however many there are.
    pub fn leave(&self, conn: &Arc<Conn<L>>) {
        if lock(self.shard_of(conn.id)).remove(&conn.id).is_none() {
            return;
        }
        let open = self.open.fetch_sub(1, Ordering::Relaxed).saturating_sub(1);
        self.metrics.connections(open);
        self.metrics.closed(conn.closed_with());
        {
            let mut people = lock(self.person_shard(&conn.reader));
            if let Some(person) = people.get_mut(&conn.reader) {
                person.conns.retain(|other| other.id != conn.id);
                if person.conns.is_empty() {
                    people.remove(&conn.reader);
                }
            }
        }
        self.came_or_went(&conn.reader);
        let streams = {
            let mut state = conn.lock();
            state.stage = Stage::Gone;
            std::mem::take(&mut state.streams)
        };
        for stream in streams {
            self.unfollow(conn, &stream);
        }
    }

    /// How many connections there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All connections as they are now.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Conn<L>>> {
        let shards = self.conns.iter();
        shards
            .flat_map(|shard| lock(shard).values().cloned().collect::<Vec<_>>())
            .collect()
    }

    /// One of [`SHARDS`] parts of the connections as they are now.
    #[must_use]
    pub fn part(&self, part: usize) -> Vec<Arc<Conn<L>>> {
        let shard = self.conns.get(part);
        shard.map_or_else(Vec::new, |shard| lock(shard).values().cloned().collect())
    }

    /// The heartbeat of these connections: each is told where its streams stand and asked for a sign
    /// of life; who gave none for two heartbeats is ended.
    pub fn beat(&self, conns: &[Arc<Conn<L>>]) {
        for conn in conns {
            if conn.line.idle() > self.limits.heartbeat.saturating_mul(2) {
                conn.close(close::IDLE, "no sign of life");
                continue;
            }
            let text = tops(conn).map(|streams| Told::Tops(Places { streams }).text());
            conn.line.beat(text.as_deref());
        }
    }

    /// The connection has all up to these. When the newest of them was stored that it has not said
    /// this of before, in milliseconds since 1970, as far as they are kept.
    pub fn acknowledge(&self, conn: &Conn<L>, streams: &BTreeMap<Stream, u64>) -> Option<i64> {
        let state = conn.lock();
        let known = streams.iter().filter_map(|(name, seq)| {
            let stream = state.named(name)?;
            stream.lock().acknowledge(conn.id, *seq)
        });
        known.max()
    }

    /// Of these streams those that it follows, each no further than it stands here: what nobody
    /// was told cannot have been read.
    #[must_use]
    pub fn read_by(&self, conn: &Conn<L>, streams: &BTreeMap<Stream, u64>) -> Vec<(Stream, u64)> {
        let state = conn.lock();
        let known = streams.iter().filter_map(|(name, seq)| {
            let top = state.named(name)?.lock().top?;
            Some((name.clone(), (*seq).min(top)))
        });
        known.collect()
    }

    /// Readers whose streams the database is to be asked about again: for [`Hub::settle`].
    pub async fn unsure(&self) -> Vec<Reader> {
        loop {
            let readers: Vec<_> = lock(&self.unsure).drain().collect();
            if !readers.is_empty() {
                return readers;
            }
            self.is_unsure.notified().await;
        }
    }

    fn shard_of(&self, id: u64) -> &Mutex<Conns<L>> {
        let shards = u64::try_from(SHARDS).unwrap_or(1);
        pick(&self.conns, id % shards)
    }

    fn person_shard(&self, reader: &Reader) -> &Mutex<People<L>> {
        pick(&self.people, self.shard(reader))
    }

    fn stream_shard(&self, key: &StreamKey) -> &Mutex<Table<L>> {
        pick(&self.streams, self.shard(key))
    }

    fn shard(&self, key: &impl Hash) -> u64 {
        self.hasher.hash_one(key) % u64::try_from(SHARDS).unwrap_or(1)
    }
}

impl<L: Line> std::fmt::Debug for Hub<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub")
            .field("open", &self.len())
            .finish_non_exhaustive()
    }
}

/// Where the streams of a connection stand here; none if it was not welcomed.
fn tops<L: Line>(conn: &Conn<L>) -> Option<BTreeMap<Stream, u64>> {
    let state = conn.lock();
    if state.stage != Stage::Begun {
        return None;
    }
    let known = state.streams.iter().filter_map(|stream| {
        let top = stream.lock().top?;
        Some((stream.key.seen(), top))
    });
    Some(known.collect())
}

fn shards<T: Default>() -> Box<[Mutex<T>]> {
    (0..SHARDS).map(|_shard| Mutex::default()).collect()
}

#[expect(
    clippy::indexing_slicing,
    reason = "a place is a remainder by the number of shards"
)]
fn pick<T>(shards: &[T], place: u64) -> &T {
    &shards[usize::try_from(place).unwrap_or_default()]
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No step leaves half a state behind.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
