//! A database, two nodes and a client, each of whose steps is taken by hand.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tradepost_notifications::content::Content;
use tradepost_notifications::stream::{Epoch, Position, Stream};
use tradepost_notifications::wire::{Notification, Told};
use tradepost_types::{NotificationId, TenantId};
use tradepost_websocket::{Class, Pushed};

use crate::config::LiveConfig;
use crate::live::Line;
use crate::live::hub::{Conn, Hub, Opening, Step, framed};
use crate::metrics::LiveMetrics;
use crate::ports::{
    Announcement, Entry, Follow, Gap, GroupPlace, Opened, Place, Preferred, Reader, StreamKey,
    Whose,
};

/// What a client would have got, and what it was closed with; and in how many writes it came.
#[derive(Default, Clone)]
pub(super) struct Wire(
    pub(super) Arc<Mutex<(VecDeque<String>, Option<u16>)>>,
    Arc<AtomicUsize>,
);

impl Wire {
    pub(super) fn heard(&self) -> Vec<Told> {
        let texts = self.0.lock().unwrap().0.drain(..).collect::<Vec<_>>();
        texts
            .iter()
            .map(|text| Told::parse(text).unwrap())
            .collect()
    }

    pub(super) fn closed(&self) -> Option<u16> {
        self.0.lock().unwrap().1
    }

    /// How many writes there were since this was asked the last time.
    pub(super) fn writes(&self) -> usize {
        self.1.swap(0, Ordering::Relaxed)
    }
}

impl Line for Wire {
    type Frame = Arc<str>;

    fn frame(text: &[u8]) -> Arc<str> {
        std::str::from_utf8(text).unwrap().into()
    }

    fn text(frame: &Arc<str>) -> &[u8] {
        frame.as_bytes()
    }

    fn size(frame: &Arc<str>) -> usize {
        frame.len()
    }

    fn push(&self, frame: &Arc<str>, _class: Class) -> Pushed {
        self.push_all(std::slice::from_ref(frame))
    }

    fn push_all(&self, frames: &[Arc<str>]) -> Pushed {
        let mut wire = self.0.lock().unwrap();
        if wire.1.is_some() {
            return Pushed::Closed;
        }
        self.1.fetch_add(1, Ordering::Relaxed);
        wire.0.extend(frames.iter().map(|frame| frame.to_string()));
        Pushed::Taken
    }

    fn beat(&self, text: Option<&[u8]>) {
        if let Some(text) = text {
            let _lost = self.push(&Self::frame(text), Class::Ephemeral);
        }
    }

    fn idle(&self) -> Duration {
        Duration::ZERO
    }

    fn close(&self, code: u16, _reason: &str) {
        self.0.lock().unwrap().1.get_or_insert(code);
    }
}

pub(super) fn hub(config: &LiveConfig) -> Hub<Wire> {
    Hub::new(config, LiveMetrics::default())
}

pub(super) fn reader(tenant: TenantId) -> Reader {
    Reader {
        tenant,
        user: "ada".parse().unwrap(),
    }
}

pub(super) fn key(tenant: TenantId, stream: &Stream) -> StreamKey {
    let whose = match stream {
        Stream::User => Whose::User("ada".parse().unwrap()),
        Stream::Group(group) => Whose::Group(group.clone()),
    };
    StreamKey { tenant, whose }
}

pub(super) fn entry(key: &StreamKey, seq: u64) -> Entry {
    let content = Content::new("note".to_owned(), format!("{seq}"), String::new(), "").unwrap();
    let time = time::OffsetDateTime::UNIX_EPOCH;
    let id = NotificationId::new();
    let told = Notification::new((key.seen(), seq), id, time, content);
    Entry {
        key: key.clone(),
        seq,
        stored_ms: i64::try_from(seq).unwrap(),
        text: Told::Notification(Box::new(told)).text(),
    }
}

/// What is committed.
pub(super) struct Store {
    pub(super) tenant: TenantId,
    pub(super) epoch: Epoch,
    /// The first is kept no more below this.
    pub(super) kept_from: u64,
    pub(super) streams: BTreeMap<Stream, Vec<Entry>>,
    /// What the client's person prefers, in revisions.
    pub(super) preferred: Option<Preferred>,
}

impl Store {
    pub(super) fn new() -> Self {
        let streams = [Stream::User, "group:staff".parse().unwrap()];
        Self {
            tenant: TenantId::new(),
            epoch: Epoch("one".into()),
            kept_from: 1,
            streams: streams
                .into_iter()
                .map(|stream| (stream, Vec::new()))
                .collect(),
            preferred: None,
        }
    }

    pub(super) fn commit(&mut self, stream: &Stream) -> Entry {
        let key = key(self.tenant, stream);
        let entries = self.streams.get_mut(stream).unwrap();
        let entry = entry(&key, u64::try_from(entries.len()).unwrap() + 1);
        entries.push(entry.clone());
        entry
    }

    pub(super) fn top(&self, stream: &Stream) -> u64 {
        self.streams[stream].len().try_into().unwrap()
    }

    pub(super) fn open(&self) -> Opened {
        let place = |stream| Place {
            top: self.top(stream),
            read: 0,
        };
        let groups = self.streams.keys().filter_map(|stream| match stream {
            Stream::User => None,
            Stream::Group(group) => Some(GroupPlace {
                group: group.clone(),
                place: place(stream),
                joined_after: 0,
                stood: 0,
                version: 1,
            }),
        });
        Opened {
            epoch: self.epoch.clone(),
            user: place(&Stream::User),
            groups: groups.collect(),
            preferred: self.preferred.clone(),
        }
    }

    /// Somebody else of the same tenant and group connects.
    pub(super) fn visit_as_bob(&self, hub: &Hub<Wire>) -> Wire {
        let bob = Reader {
            tenant: self.tenant,
            user: "bob".parse().unwrap(),
        };
        let wire = Wire::default();
        let conn = hub.enter(bob, wire.clone());
        let mut opening = Opening::new([].into());
        while hub.place(&conn, &mut opening, &self.open()) == Step::Again {}
        hub.begin(&conn, opening, Vec::new());
        wire
    }

    pub(super) fn fetch(&self, gap: &Gap) -> Vec<Entry> {
        let entries = self.streams[&gap.key.seen()].iter();
        let within = entries.filter(|entry| {
            entry.seq > gap.after && entry.seq <= gap.upto && entry.seq >= self.kept_from
        });
        within.cloned().collect()
    }

    /// What the healer does, which has never looked before.
    pub(super) fn heal(&self, hub: &Hub<Wire>) {
        self.heal_since(hub, &mut BTreeMap::new());
    }

    /// What the healer does: it names what was committed since it looked last, and only once.
    pub(super) fn heal_since(&self, hub: &Hub<Wire>, seen: &mut BTreeMap<Stream, u64>) {
        let mut tops = Vec::new();
        for stream in self.streams.keys() {
            let top = self.top(stream);
            if seen.insert(stream.clone(), top).unwrap_or_default() < top {
                tops.push((key(self.tenant, stream), top));
            }
        }
        for gap in hub.gaps(&tops) {
            let entries = self.fetch(&gap).into_iter().map(Announcement::Entry);
            hub.tell(&entries.collect::<Vec<_>>());
        }
    }
}

/// How far a connection of the client is.
pub(super) enum Stage {
    Entered,
    /// The database has answered.
    Asked(Opened),
    Placed(Vec<Gap>),
    Begun,
}

pub(super) struct Session {
    pub(super) node: usize,
    wire: Wire,
    conn: Arc<Conn<Wire>>,
    opening: Option<Opening<Wire>>,
    stage: Stage,
}

/// A client that follows the protocol, and notes what it has and what it was told it missed.
#[derive(Default)]
pub(super) struct Client {
    pub(super) session: Option<Session>,
    pub(super) positions: BTreeMap<Stream, Position>,
    pub(super) had: BTreeMap<Stream, BTreeSet<u64>>,
    /// Told once that it has missed these.
    pub(super) excused: BTreeMap<Stream, BTreeSet<u64>>,
    pub(super) refused: usize,
    named: BTreeSet<Stream>,
}

impl Client {
    pub(super) fn connect(&mut self, node: usize, hub: &Hub<Wire>, store: &Store) {
        let wire = Wire::default();
        let conn = hub.enter(reader(store.tenant), wire.clone());
        self.named = self.positions.keys().cloned().collect();
        self.session = Some(Session {
            node,
            wire,
            conn,
            opening: Some(Opening::new(self.positions.clone())),
            stage: Stage::Entered,
        });
    }

    /// The next step of its opening, or of its reading.
    pub(super) fn step(&mut self, hub: &Hub<Wire>, store: &Store) {
        let Some(session) = &mut self.session else {
            return;
        };
        session.stage = match std::mem::replace(&mut session.stage, Stage::Begun) {
            Stage::Entered => Stage::Asked(store.open()),
            Stage::Asked(opened) => {
                let opening = session.opening.as_mut().unwrap();
                match hub.place(&session.conn, opening, &opened) {
                    Step::Again => Stage::Entered,
                    Step::Fetch(gaps) => Stage::Placed(gaps),
                    Step::Foreign | Step::Gone => {
                        self.drop(hub);
                        return;
                    }
                }
            }
            Stage::Placed(gaps) => {
                let fetched = gaps
                    .iter()
                    .map(|gap| Some(framed::<Wire>(&store.fetch(gap))));
                let opening = session.opening.take().unwrap();
                hub.begin(&session.conn, opening, fetched.collect());
                Stage::Begun
            }
            Stage::Begun => {
                self.read(hub);
                return;
            }
        };
    }

    pub(super) fn drop(&mut self, hub: &Hub<Wire>) {
        if let Some(session) = self.session.take() {
            hub.leave(&session.conn);
        }
    }

    pub(super) fn is_begun(&self) -> bool {
        let session = self.session.as_ref();
        session.is_some_and(|session| matches!(session.stage, Stage::Begun))
    }

    fn read(&mut self, hub: &Hub<Wire>) {
        let Some(session) = &self.session else { return };
        let (heard, closed) = (session.wire.heard(), session.wire.closed());
        for told in heard {
            self.hear(told);
        }
        if closed.is_some() {
            self.drop(hub);
        }
    }

    fn hear(&mut self, told: Told) {
        match told {
            Told::Welcome(welcome) => {
                for (stream, start) in welcome.streams {
                    assert_eq!(start.recovered.is_some(), self.named.contains(&stream));
                    if start.recovered == Some(true) {
                        continue;
                    }
                    self.refused += usize::from(start.recovered.is_some());
                    let missed = self.excused.entry(stream.clone()).or_default();
                    missed.extend(1..=start.seq);
                    let (epoch, seq) = (welcome.epoch.clone(), start.seq);
                    self.positions.insert(stream, Position { epoch, seq });
                }
            }
            Told::Notification(told) => {
                let position = self.positions.get_mut(&told.stream).unwrap();
                if told.seq > position.seq {
                    assert_eq!(
                        told.seq,
                        position.seq + 1,
                        "a silent gap in {}",
                        told.stream
                    );
                    position.seq = told.seq;
                    self.had.entry(told.stream).or_default().insert(told.seq);
                }
            }
            Told::Joined(joined) => {
                let epoch = Epoch("one".into());
                let seq = joined.seq;
                self.positions
                    .insert(joined.stream, Position { epoch, seq });
            }
            Told::Left(left) => {
                self.positions.remove(&left.stream);
            }
            Told::Signal(_)
            | Told::Tops(_)
            | Told::Read(_)
            | Told::Reconnect(_)
            | Told::Pong
            | Told::Refreshed(_) => {}
        }
    }

    /// Fails unless it has each committed entry, or was told that it missed it.
    pub(super) fn assert_whole(&self, store: &Store) {
        for stream in store.streams.keys() {
            for seq in 1..=store.top(stream) {
                let has = |of: &BTreeMap<Stream, BTreeSet<u64>>| {
                    of.get(stream).is_some_and(|seqs| seqs.contains(&seq))
                };
                assert!(
                    has(&self.had) || has(&self.excused),
                    "{stream} {seq} is missing"
                );
            }
        }
    }
}
