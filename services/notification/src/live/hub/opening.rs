//! How a connection begins: where its streams stand, and what it missed.
//!
//! 1. [`Hub::enter`]: its own stream does not pass it by any more.
//! 2. The database is asked (`Past::open`), and [`Hub::place`] is told the answer. If it follows a
//!    stream now that nobody here followed, the database is asked [again](Step::Again): only what
//!    was committed after the following began is sure to be heard.
//! 3. What it missed and this node does not have is [fetched](Step::Fetch).
//! 4. [`Hub::begin`] welcomes it, gives it what it missed, then what came meanwhile.
//!
//! What it missed comes whole or not at all.

use std::collections::BTreeMap;
use std::sync::Arc;

use tradepost_notifications::stream::{Epoch, Position, Stream};
use tradepost_notifications::wire::{Start, Told, Welcome, close};

use super::conn::{self, Conn, Stage};
use super::followed::{Followed, Phase, Waiting};
use super::members::group_key;
use super::{Hub, lock};
use crate::live::Line;
use crate::ports::{Entry, Gap, Opened, Place, StreamKey, Whose};

/// A connection that is being opened.
pub struct Opening<L: Line> {
    positions: BTreeMap<Stream, Position>,
    epoch: Option<Epoch>,
    starts: Vec<Starting<L>>,
}

/// Entries of a gap in their order, framed once for all who miss the same.
pub type Missed<L> = Vec<(u64, <L as Line>::Frame)>;

/// Frames entries.
#[must_use]
pub fn framed<L: Line>(entries: &[Entry]) -> Missed<L> {
    let framed = entries
        .iter()
        .map(|entry| (entry.seq, L::frame(&entry.text)));
    framed.collect()
}

/// What is to be done next for it.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Ask the database again.
    Again,
    /// Fetch these, then begin.
    Fetch(Vec<Gap>),
    /// The history is another one than this node's: close with `close::RESET`.
    Foreign,
    /// It has ended meanwhile.
    Gone,
}

/// One of its streams.
struct Starting<L: Line> {
    stream: Arc<Followed<L>>,
    /// Where it stands, in the database or here, whichever is further.
    seq: u64,
    read: u64,
    resume: Resume<L>,
}

enum Resume<L: Line> {
    /// Nothing was asked for.
    Fresh,
    /// Not everything can be had.
    Refused,
    /// From this position on; `upto` it comes from here, what is above comes as it is told.
    From {
        after: u64,
        upto: u64,
        missed: Option<Vec<L::Frame>>,
    },
}

impl<L: Line> Opening<L> {
    /// With what the client's hello says.
    #[must_use]
    pub fn new(positions: BTreeMap<Stream, Position>) -> Self {
        Self {
            positions,
            epoch: None,
            starts: Vec::new(),
        }
    }
}

impl<L: Line> Hub<L> {
    /// Takes what the database says of the streams of a connection.
    pub fn place(&self, conn: &Arc<Conn<L>>, opening: &mut Opening<L>, opened: &Opened) -> Step {
        {
            let mut epoch = lock(&self.epoch);
            if *epoch.get_or_insert_with(|| opened.epoch.clone()) != opened.epoch {
                return Step::Foreign;
            }
        }
        self.take_over(&conn.reader, opened);
        let mut state = conn.lock();
        if state.stage == Stage::Gone {
            return Step::Gone;
        }
        let mut is_sure = true;
        for place in &opened.groups {
            if self.follow(conn, &mut state, &group_key(&conn.reader, &place.group)) {
                let stream = state.streams.last();
                is_sure &= stream.is_some_and(|stream| stream.lock().top.is_some());
            }
        }
        if !is_sure {
            return Step::Again;
        }
        opening.epoch = Some(opened.epoch.clone());
        opening.starts = self.starts(conn, &state, (opening, opened));
        let mut gaps = Vec::new();
        for starting in &opening.starts {
            gaps.extend(starting.gap());
        }
        Step::Fetch(gaps)
    }

    fn starts(
        &self,
        conn: &Conn<L>,
        state: &conn::State<L>,
        (opening, opened): (&Opening<L>, &Opened),
    ) -> Vec<Starting<L>> {
        let own = Whose::User(conn.reader.user.clone());
        let own = (own, opened.user, 0);
        let groups = opened.groups.iter().map(|group| {
            let whose = Whose::Group(group.group.clone());
            (whose, group.place, group.joined_after)
        });
        let places = std::iter::once(own).chain(groups);
        let starts = places.filter_map(|(whose, place, joined_after)| {
            let tenant = conn.reader.tenant;
            let key = StreamKey { tenant, whose };
            let stream = state.streams.iter().find(|stream| stream.key == key)?;
            let position = opening.positions.get(&key.seen());
            let position = position.map(|position| {
                // 0 is before everything, in every history.
                let is_ours = position.epoch == opened.epoch || position.seq == 0;
                is_ours
                    .then_some(position.seq)
                    .filter(|seq| *seq >= joined_after)
            });
            Some(self.start(conn, stream, (place, position)))
        });
        starts.collect()
    }

    /// Where one stream begins, for a client without a position, with one that cannot be resumed
    /// from, or with one.
    fn start(
        &self,
        conn: &Conn<L>,
        stream: &Arc<Followed<L>>,
        (place, position): (Place, Option<Option<u64>>),
    ) -> Starting<L> {
        let mut state = stream.lock();
        state.raise(place.top);
        self.advance(&stream.key, &mut state);
        let here = state.top.unwrap_or(place.top);
        let seq = here.max(place.top);
        let resume = match position {
            None => Resume::Fresh,
            Some(Some(after)) if after <= seq && seq - after <= self.limits.resume_max => {
                let missed = state.kept_after(after);
                Resume::From {
                    after,
                    upto: here,
                    missed: if after >= here {
                        Some(Vec::new())
                    } else {
                        missed
                    },
                }
            }
            Some(_) => Resume::Refused,
        };
        // Up to here it is had otherwise.
        if let Some(follower) = state.followers.get_mut(&conn.id)
            && let Phase::Waiting(waiting) = &mut follower.phase
        {
            waiting.clear();
        }
        Starting {
            stream: Arc::clone(stream),
            seq,
            read: place.read,
            resume,
        }
    }

    /// Welcomes a connection, with what was fetched for the gaps in their order: entries, or none
    /// where they cannot be had.
    pub fn begin(
        &self,
        conn: &Arc<Conn<L>>,
        mut opening: Opening<L>,
        fetched: Vec<Option<Missed<L>>>,
    ) {
        let mut fetched = fetched.into_iter();
        for starting in &mut opening.starts {
            if let Some(gap) = starting.gap() {
                starting.fill(&gap, fetched.next().flatten());
            }
        }
        bound(&mut opening.starts, self.limits.backlog_bytes_max);
        let people = lock(self.person_shard(&conn.reader));
        let mut state = conn.lock();
        let (Some(person), Some(epoch)) = (people.get(&conn.reader), opening.epoch) else {
            return;
        };
        if state.stage != Stage::Opening {
            return;
        }
        let welcome = Welcome {
            epoch,
            heartbeat_ms: u64::try_from(self.limits.heartbeat.as_millis()).unwrap_or(u64::MAX),
            streams: self.welcome(&state, &opening.starts),
        };
        conn.must(&[L::frame(&Told::Welcome(welcome).text())]);
        let (followed, stale): (Vec<_>, Vec<_>) = std::mem::take(&mut state.streams)
            .into_iter()
            .partition(|stream| opening.starts.iter().any(|start| start.is_of(stream)));
        state.streams = followed;
        person.tune(conn);
        for starting in opening.starts {
            starting.go(self, conn);
        }
        for stream in stale {
            // Left while it was opened.
            self.unfollow(conn, &stream);
        }
        state.stage = Stage::Begun;
        self.metrics.opened();
        state.reads = BTreeMap::new();
        self.reconcile(conn, &mut state, person);
    }

    fn welcome(&self, state: &conn::State<L>, starts: &[Starting<L>]) -> BTreeMap<Stream, Start> {
        let starts = starts.iter().map(|starting| {
            let name = starting.stream.key.seen();
            let moved = state.reads.get(&name).copied().unwrap_or_default();
            let recovered = match starting.resume {
                Resume::Fresh => None,
                Resume::Refused => Some(false),
                Resume::From { .. } => Some(true),
            };
            self.metrics.resumed(recovered);
            let start = Start {
                seq: starting.seq,
                read: starting.read.max(moved),
                recovered,
            };
            (name, start)
        });
        starts.collect()
    }
}

/// Refuses what would be more than a client may be behind: it would be sent away for it, again and
/// again.
fn bound<L: Line>(starts: &mut [Starting<L>], bytes_max: usize) {
    let mut bytes = 0_usize;
    for starting in starts {
        if let Resume::From {
            missed: Some(missed),
            ..
        } = &starting.resume
        {
            let more: usize = missed.iter().map(L::size).sum();
            if bytes.saturating_add(more) > bytes_max {
                starting.resume = Resume::Refused;
            } else {
                bytes = bytes.saturating_add(more);
            }
        }
    }
}

impl<L: Line> Starting<L> {
    fn is_of(&self, stream: &Arc<Followed<L>>) -> bool {
        Arc::ptr_eq(&self.stream, stream)
    }

    /// What must be fetched.
    fn gap(&self) -> Option<Gap> {
        match self.resume {
            Resume::From {
                after,
                upto,
                missed: None,
            } => Some(Gap {
                key: self.stream.key.clone(),
                after,
                upto,
            }),
            Resume::From { .. } | Resume::Fresh | Resume::Refused => None,
        }
    }

    fn fill(&mut self, gap: &Gap, fetched: Option<Missed<L>>) {
        let is_whole = |entries: &Missed<L>| {
            let seqs = entries.iter().map(|(seq, _)| *seq);
            seqs.eq(gap.after.saturating_add(1)..=gap.upto)
        };
        self.resume = match fetched.filter(is_whole) {
            Some(entries) => Resume::From {
                after: gap.after,
                upto: gap.upto,
                missed: Some(entries.into_iter().map(|(_, frame)| frame).collect()),
            },
            None => Resume::Refused,
        };
    }

    /// Gives what was missed and what came meanwhile; from here on the stream is live.
    fn go(self, hub: &Hub<L>, conn: &Conn<L>) {
        let mut state = self.stream.lock();
        let top = state.top.unwrap_or_default();
        let Some(follower) = state.followers.get_mut(&conn.id) else {
            return;
        };
        let (at, mut frames) = match self.resume {
            Resume::Fresh | Resume::Refused => (self.seq, Vec::new()),
            Resume::From { after, missed, .. } => (after, missed.unwrap_or_default()),
        };
        let live = Phase::Live { at: at.max(top) };
        if let Phase::Waiting(waiting) = std::mem::replace(&mut follower.phase, live) {
            let Waiting {
                pending, is_over, ..
            } = *waiting;
            if is_over {
                conn.close(close::SLOW, "too much came while it was opened: resume");
                return;
            }
            let news = pending.into_iter().filter(|(seq, _)| *seq > at);
            frames.extend(news.map(|(_, frame)| frame));
        }
        conn.must(&hub.quieted(conn, frames));
    }
}
