//! A database and followers that are as simple as can be, so that what is between them is tested.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::{CancellationToken, DropGuard};
use tradepost_notification::bootstrap::nodes::Fanout;
use tradepost_notification::config::RedisConfig;
use tradepost_notification::domain::Preferences;
use tradepost_notification::ports::{
    Announcement, Announcer, Change, Entry, Follow, Gap, MemberChange, Opened, Past, Portion,
    PreferenceChange, ReadMove, Reader, Recents, Signal, Snapshot, StoreError, StreamKey, Tail,
    Top, Whose,
};
use tradepost_notifications::stream::{Epoch, Stream};
use tradepost_postgres::DbError;
use tradepost_service::Tasks;
use tradepost_telemetry::Registry;
use tradepost_testkit::{PrivateRedis, eventually};
use tradepost_types::TenantId;

pub(crate) const SOON: Duration = Duration::from_secs(60);

/// What all nodes share: the database.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) tenant: TenantId,
    rows: Arc<Mutex<Rows>>,
    is_failing: Arc<AtomicBool>,
    are_entries_failing: Arc<AtomicBool>,
    has_failed: Arc<AtomicBool>,
}

struct Rows {
    epoch: Epoch,
    streams: HashMap<StreamKey, BTreeMap<u64, Entry>>,
    /// In the order of their commits; the place is the snapshot.
    log: Vec<Top>,
    /// Cursors that moved: each look sees all of them.
    reads: Vec<ReadMove>,
}

pub(crate) fn user(world: &World, name: &str) -> StreamKey {
    StreamKey {
        tenant: world.tenant,
        whose: Whose::User(name.parse().unwrap()),
    }
}

pub(crate) fn group(world: &World, name: &str) -> StreamKey {
    StreamKey {
        tenant: world.tenant,
        whose: Whose::Group(name.parse().unwrap()),
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let rows = Rows {
            epoch: Epoch("first".into()),
            streams: HashMap::new(),
            log: Vec::new(),
            reads: Vec::new(),
        };
        Self {
            tenant: TenantId::new(),
            rows: Arc::new(Mutex::new(rows)),
            is_failing: Arc::default(),
            are_entries_failing: Arc::default(),
            has_failed: Arc::default(),
        }
    }

    /// Commits the next entry of a stream.
    fn commit(&self, key: &StreamKey) -> Entry {
        let mut rows = self.rows.lock().unwrap();
        let last = rows.log.iter().rev().find(|(stream, _)| stream == key);
        let seq = last.map_or(0, |(_, seq)| *seq) + 1;
        let entry = Entry {
            key: key.clone(),
            seq,
            stored_ms: 0,
            text: format!("{} {seq}", rows.epoch.0).into(),
        };
        let stream = rows.streams.entry(key.clone()).or_default();
        stream.insert(seq, entry.clone());
        rows.log.push((key.clone(), seq));
        entry
    }

    pub(crate) fn entries(&self, gap: &Gap) -> Vec<Entry> {
        let rows = self.rows.lock().unwrap();
        let stream = rows.streams.get(&gap.key).into_iter().flatten();
        let wanted = gap.after + 1..=gap.upto;
        let found = stream.filter(|(seq, _)| wanted.contains(seq));
        found.map(|(_, entry)| entry.clone()).collect()
    }

    /// Somebody reads, and nobody announces it.
    pub(crate) fn read(&self, user: &str, seq: u64) -> ReadMove {
        let moved = ReadMove {
            reader: Reader {
                tenant: self.tenant,
                user: user.parse().unwrap(),
            },
            stream: Stream::User,
            seq,
        };
        self.rows.lock().unwrap().reads.push(moved.clone());
        moved
    }

    /// What is up to `upto` is no longer kept.
    pub(crate) fn forget(&self, key: &StreamKey, upto: u64) {
        let mut rows = self.rows.lock().unwrap();
        let stream = rows.streams.get_mut(key).unwrap();
        stream.retain(|seq, _| *seq > upto);
    }

    /// The database is one from a backup, in which the stream stood at `top`.
    pub(crate) fn restore(&self, key: &StreamKey, top: u64, epoch: &str) {
        let mut rows = self.rows.lock().unwrap();
        rows.epoch = Epoch(epoch.into());
        rows.streams.remove(key);
        rows.log.clear();
        rows.log.push((key.clone(), top));
    }

    pub(crate) fn set_failing(&self, is_failing: bool) {
        self.is_failing.store(is_failing, Ordering::SeqCst);
    }

    pub(crate) fn set_entries_failing(&self, are_failing: bool) {
        self.has_failed.store(false, Ordering::SeqCst);
        self.are_entries_failing
            .store(are_failing, Ordering::SeqCst);
    }

    /// Whether a read has failed since.
    pub(crate) fn took_failures(&self) -> bool {
        self.has_failed.load(Ordering::SeqCst)
    }

    pub(crate) fn one_of_each(&self) -> Vec<Announcement> {
        let reader = Reader {
            tenant: self.tenant,
            user: "ada".parse().unwrap(),
        };
        let member = MemberChange {
            reader: reader.clone(),
            group: "staff".parse().unwrap(),
            seq: 7,
            is_member: true,
            version: 3,
        };
        let read = ReadMove {
            reader,
            stream: Stream::Group("staff".parse().unwrap()),
            seq: 5,
        };
        let signal = Signal {
            key: group(self, "staff"),
            collapse: Some("typing".into()),
            text: "{}".into(),
        };
        let preferences = Preferences {
            muted: vec!["chat.*".parse().unwrap()],
            ..Preferences::default()
        };
        let preferred = PreferenceChange {
            reader: member.reader.clone(),
            revision: 4,
            preferences: Some(Arc::new(preferences)),
        };
        vec![
            Announcement::Preferences(preferred),
            Announcement::Member(member),
            Announcement::Read(read),
            Announcement::Signal(signal),
        ]
    }

    fn works(&self) -> Result<(), StoreError> {
        if self.is_failing.load(Ordering::SeqCst) {
            return Err(StoreError::Database(DbError::from(sqlx::Error::PoolClosed)));
        }
        Ok(())
    }
}

#[async_trait]
impl Past for World {
    async fn open(&self, _readers: &[Reader]) -> Result<Vec<Opened>, StoreError> {
        self.works().map(|()| Vec::new())
    }

    async fn entries(&self, gaps: &[Gap], portion: Portion) -> Result<Vec<Vec<Entry>>, StoreError> {
        self.works()?;
        if self.are_entries_failing.load(Ordering::SeqCst) {
            self.has_failed.store(true, Ordering::SeqCst);
            return Err(StoreError::Database(DbError::from(sqlx::Error::PoolClosed)));
        }
        let lowest = |gap| {
            let entries = World::entries(self, gap).into_iter();
            entries.take(portion.entries as usize).collect()
        };
        Ok(gaps.iter().map(lowest).collect())
    }

    async fn tail(&self, since: Option<Snapshot>, limit: u32) -> Result<Tail, StoreError> {
        self.works()?;
        let rows = self.rows.lock().unwrap();
        let end = rows.log.len();
        let from = since.map_or(end, |Snapshot(at)| usize::try_from(at).unwrap());
        // A database that was restored begins anew.
        let from = from.min(end);
        let upto = end.min(from + limit as usize);
        let asked = since.map_or(0, |Snapshot(at)| at);
        let is_back = asked > end as u64;
        Ok(Tail {
            epoch: rows.epoch.clone(),
            tops: if is_back {
                Vec::new()
            } else {
                rows.log[from..upto].to_vec()
            },
            members: Vec::new(),
            preferences: Vec::new(),
            reads: rows.reads.clone(),
            next: Snapshot(upto as u64),
        })
    }
}

/// A node: what it hears, and its way to others.
pub(crate) struct Node {
    world: World,
    heard: Arc<Heard>,
    announcer: Announcer,
    pub(crate) recents: Recents,
    _until: DropGuard,
}

#[derive(Default)]
struct Heard(Mutex<State>);

#[derive(Default)]
struct State {
    followed: HashMap<StreamKey, Followed>,
    others: Vec<Announcement>,
    epochs: Vec<String>,
    lost: Vec<Gap>,
}

#[derive(Default)]
struct Followed {
    /// All in order.
    got: Vec<Entry>,
    ahead: BTreeMap<u64, Entry>,
}

impl Followed {
    fn top(&self) -> u64 {
        self.got.last().map_or(0, |entry| entry.seq)
    }

    fn tell(&mut self, entry: &Entry) {
        if entry.seq > self.top() {
            self.ahead.insert(entry.seq, entry.clone());
        }
        while let Some(next) = self.ahead.remove(&(self.top() + 1)) {
            self.got.push(next);
        }
    }

    fn gap(&self, key: &StreamKey, top: u64) -> Option<Gap> {
        let first = self.ahead.keys().next().map_or(top, |first| first - 1);
        (first > self.top()).then(|| Gap {
            key: key.clone(),
            after: self.top(),
            upto: first,
        })
    }
}

impl Follow for Heard {
    fn tell(&self, changes: &[Change]) {
        let mut state = self.0.lock().unwrap();
        for change in changes {
            let Announcement::Entry(entry) = change else {
                state.others.push(change.clone());
                continue;
            };
            if let Some(followed) = state.followed.get_mut(&entry.key) {
                followed.tell(entry);
            }
        }
    }

    fn gaps(&self, tops: &[Top]) -> Vec<Gap> {
        let state = self.0.lock().unwrap();
        let tops: HashMap<_, _> = tops.iter().map(|(key, top)| (key, *top)).collect();
        let gap = |(key, followed): (&StreamKey, &Followed)| {
            followed.gap(key, tops.get(key).copied().unwrap_or_default())
        };
        state.followed.iter().filter_map(gap).collect()
    }

    fn epoch(&self, epoch: &Epoch) {
        let mut state = self.0.lock().unwrap();
        state.followed.clear();
        state.epochs.push(epoch.0.to_string());
    }

    fn lost(&self, gap: &Gap) {
        let mut state = self.0.lock().unwrap();
        state.followed.remove(&gap.key);
        state.lost.push(gap.clone());
    }
}

impl Node {
    pub(crate) async fn start(
        world: &World,
        redis: Option<&PrivateRedis>,
        every: Duration,
    ) -> Self {
        let config = RedisConfig {
            url: redis.map(PrivateRedis::url),
            ..RedisConfig::default()
        };
        let until = CancellationToken::new();
        let tasks = Tasks::new(until.clone());
        let heard = Arc::<Heard>::default();
        let fanout = Fanout::new(&config, &Registry::new("test")).unwrap();
        let recents = fanout.recents();
        let followers = Arc::clone(&heard);
        let ends = (Arc::new(world.clone()) as _, followers as _);
        let announcer = fanout.start(ends, every, (&tasks, &until)).await;
        Self {
            world: world.clone(),
            heard,
            announcer,
            recents,
            _until: until.drop_guard(),
        }
    }

    /// From its beginning.
    pub(crate) fn follow(&self, key: &StreamKey) {
        self.follow_behind(key, 0);
    }

    /// What is up to `after` is had.
    pub(crate) fn follow_behind(&self, key: &StreamKey, after: u64) {
        let had = Gap {
            key: key.clone(),
            after: 0,
            upto: after,
        };
        let followed = Followed {
            got: self.world.entries(&had),
            ahead: BTreeMap::new(),
        };
        let mut state = self.heard.0.lock().unwrap();
        state.followed.insert(key.clone(), followed);
    }

    /// Commits an entry in each stream, and tells it.
    pub(crate) fn send(&self, keys: &[StreamKey]) {
        let entries = keys
            .iter()
            .map(|key| Announcement::Entry(self.world.commit(key)));
        self.announcer.announce(entries.collect());
    }

    pub(crate) fn announce(&self, announcements: Vec<Announcement>) {
        self.announcer.announce(announcements);
    }

    /// Sends a signal that no other is like.
    pub(crate) fn signal(&self, key: &StreamKey) -> Announcement {
        let mark = Announcement::Signal(Signal {
            key: key.clone(),
            collapse: None,
            text: TenantId::new().to_string().into(),
        });
        self.announcer.announce(vec![mark.clone()]);
        mark
    }

    pub(crate) fn heard_signal(&self, mark: &Announcement) -> bool {
        self.others().contains(mark)
    }

    /// All that is no entry.
    pub(crate) fn others(&self) -> Vec<Announcement> {
        self.heard.0.lock().unwrap().others.clone()
    }

    pub(crate) fn lost(&self) -> Vec<Gap> {
        self.heard.0.lock().unwrap().lost.clone()
    }

    pub(crate) fn epochs(&self) -> Vec<String> {
        self.heard.0.lock().unwrap().epochs.clone()
    }

    pub(crate) async fn until_epoch(&self, epoch: &str) {
        eventually("the epoch is known", SOON, async || {
            self.epochs()
                .last()
                .is_some_and(|last| last == epoch)
                .then_some(())
        })
        .await;
    }

    /// Until it has each of these streams up to there: the same entries as are stored.
    pub(crate) async fn until_has(&self, keys: &[StreamKey], upto: u64) {
        let what = format!("{} streams up to {upto}", keys.len());
        eventually(&what, SOON, async || {
            let state = self.heard.0.lock().unwrap();
            let has = |key| state.followed.get(key).is_some_and(|one| one.top() >= upto);
            keys.iter().all(has).then_some(())
        })
        .await;
        let state = self.heard.0.lock().unwrap();
        for key in keys {
            let all = Gap {
                key: key.clone(),
                after: 0,
                upto: u64::MAX - 1,
            };
            let stored = self.world.entries(&all);
            assert_eq!(
                state.followed[key].got,
                stored[..state.followed[key].got.len()]
            );
        }
    }
}
