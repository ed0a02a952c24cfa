//! One stream on this node: where it stands, its last entries, and who follows it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use time::OffsetDateTime;
use tradepost_notifications::wire::close;
use tradepost_websocket::{Class, Pushed};

use super::conn::Conn;
use super::silence::Run;
use crate::live::Line;
use crate::ports::{Gap, StreamKey};

/// What may wait above a gap; the highest go, since the gap's filler brings them again.
const AHEAD_MAX: usize = 1_024;

/// A stream that somebody here follows.
pub(super) struct Followed<L: Line> {
    pub(super) key: StreamKey,
    state: Mutex<State<L>>,
}

impl<L: Line> Followed<L> {
    pub(super) fn new(key: StreamKey) -> Arc<Self> {
        Arc::new(Self {
            key,
            state: Mutex::new(State {
                top: None,
                told: 0,
                ring: VecDeque::new(),
                ahead: BTreeMap::new(),
                followers: HashMap::new(),
                is_forgotten: false,
            }),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State<L>> {
        // No step leaves half a state behind.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An entry, framed.
pub(super) struct Kept<L: Line> {
    pub(super) stored_ms: i64,
    pub(super) frame: L::Frame,
}

/// How much of a stream is kept, and what was kept or let go in a step, in bytes.
pub(super) struct Room {
    pub(super) entries_max: usize,
    /// What may still be kept of all streams.
    pub(super) bytes_left: usize,
    pub(super) added: usize,
    pub(super) freed: usize,
}

/// Where a connection is in a stream.
pub(super) enum Phase<L: Line> {
    /// It is opened: what comes is put aside.
    Waiting(Box<Waiting<L>>),
    /// It has all up to `at`.
    Live { at: u64 },
}

/// What comes to a connection before it was welcomed.
pub(super) struct Waiting<L: Line> {
    pub(super) pending: Vec<(u64, L::Frame)>,
    bytes: usize,
    /// It would have been more than a client may be behind.
    pub(super) is_over: bool,
}

impl<L: Line> Default for Waiting<L> {
    fn default() -> Self {
        Self {
            pending: Vec::new(),
            bytes: 0,
            is_over: false,
        }
    }
}

pub(super) struct Follower<L: Line> {
    pub(super) conn: Arc<Conn<L>>,
    pub(super) phase: Phase<L>,
    /// Up to where it has said that it has all.
    pub(super) acked: u64,
}

pub(super) struct State<L: Line> {
    /// The last entry of the contiguous run; unknown until the database was asked.
    pub(super) top: Option<u64>,
    /// The highest sequence that was heard of.
    pub(super) told: u64,
    /// The end of the run: the last one is `top`.
    pub(super) ring: VecDeque<Kept<L>>,
    /// What came above a gap.
    pub(super) ahead: BTreeMap<u64, Kept<L>>,
    pub(super) followers: HashMap<u64, Follower<L>>,
    /// It was taken out of its table: nothing is kept in it any more.
    is_forgotten: bool,
}

impl<L: Line> State<L> {
    /// Takes an entry in, unless it is known; it is framed only then.
    pub(super) fn take(&mut self, seq: u64, entry: impl FnOnce() -> Kept<L>) {
        self.told = self.told.max(seq);
        if self.top.is_some_and(|top| seq <= top) || self.ahead.contains_key(&seq) {
            return;
        }
        self.ahead.insert(seq, entry());
        if self.ahead.len() > AHEAD_MAX {
            self.ahead.pop_last();
        }
    }

    /// Says where the database was seen to stand.
    pub(super) fn raise(&mut self, top: u64) {
        if self.top.is_none() {
            self.top = Some(top);
            self.ahead = self.ahead.split_off(&top.saturating_add(1));
        }
        self.told = self.told.max(top);
    }

    /// Delivers what follows without a gap, now; it, and to how many.
    pub(super) fn advance(
        &mut self,
        room: &mut Room,
        now: impl FnOnce() -> OffsetDateTime,
    ) -> Option<(Run<L>, usize)> {
        let mut top = self.top.filter(|_| !self.is_forgotten)?;
        let from = top;
        let mut run = Vec::new();
        while let Some(kept) = self.ahead.remove(&top.saturating_add(1)) {
            top = top.saturating_add(1);
            run.push(kept.frame.clone());
            self.keep(kept, room);
        }
        if run.is_empty() {
            return None;
        }
        self.top = Some(top);
        let (mut run, mut reached) = (Run::new(run, now()), 0);
        for follower in self.followers.values_mut() {
            reached += usize::from(follower.hear(from, &mut run));
        }
        Some((run, reached))
    }

    fn keep(&mut self, kept: Kept<L>, room: &mut Room) {
        let size = L::size(&kept.frame);
        room.added = room.added.saturating_add(size);
        self.ring.push_back(kept);
        while self.ring.len() > room.entries_max
            || room.added > room.bytes_left.saturating_add(room.freed)
        {
            let Some(oldest) = self.ring.pop_front() else {
                return;
            };
            room.freed = room.freed.saturating_add(L::size(&oldest.frame));
        }
    }

    /// Those after `after` up to the top, if all of them are kept.
    pub(super) fn kept_after(&self, after: u64) -> Option<Vec<L::Frame>> {
        let missing = usize::try_from(self.top?.checked_sub(after)?).ok()?;
        let skip = self.ring.len().checked_sub(missing)?;
        let kept = self.ring.iter().skip(skip);
        Some(kept.map(|kept| kept.frame.clone()).collect())
    }

    /// A connection has all up to here: when that one was stored, if it says so for the first time
    /// and the entry is kept.
    pub(super) fn acknowledge(&mut self, conn: u64, seq: u64) -> Option<i64> {
        let seq = seq.min(self.top?);
        let follower = self.followers.get_mut(&conn)?;
        let before = follower.acked;
        follower.acked = before.max(seq);
        if before < seq {
            self.stored_ms(seq)
        } else {
            None
        }
    }

    fn stored_ms(&self, seq: u64) -> Option<i64> {
        let below_top = usize::try_from(self.top?.checked_sub(seq)?).ok()?;
        let place = self.ring.len().checked_sub(below_top.checked_add(1)?)?;
        self.ring.get(place).map(|kept| kept.stored_ms)
    }

    pub(super) fn is_behind(&self) -> bool {
        self.top.is_some_and(|top| top < self.told)
    }

    /// What is missing below what was heard of.
    pub(super) fn gaps(&self, key: &StreamKey, gaps: &mut Vec<Gap>) {
        let Some(mut after) = self.top else { return };
        let upto_each = self.ahead.keys().map(|seq| (*seq, *seq - 1));
        let last = (self.told.saturating_add(1), self.told);
        for (seq, upto) in upto_each.chain([last]) {
            if after < upto {
                let key = key.clone();
                gaps.push(Gap { key, after, upto });
            }
            after = after.max(seq);
        }
    }

    /// Who follows it.
    pub(super) fn conns(&self) -> Vec<Arc<Conn<L>>> {
        let followers = self.followers.values();
        followers
            .map(|follower| Arc::clone(&follower.conn))
            .collect()
    }

    /// Lets go of everything; how many bytes were kept.
    pub(super) fn forget(&mut self) -> usize {
        self.is_forgotten = true;
        let kept = std::mem::take(&mut self.ring);
        self.ahead = BTreeMap::new();
        kept.iter().map(|kept| L::size(&kept.frame)).sum()
    }
}

impl<L: Line> Follower<L> {
    /// A run that begins after `from`; whether it was taken.
    fn hear(&mut self, from: u64, run: &mut Run<L>) -> bool {
        let at = match &mut self.phase {
            Phase::Waiting(waiting) => {
                for (seq, frame) in (from.saturating_add(1)..).zip(&run.frames) {
                    waiting.put(seq, frame, &self.conn);
                }
                return false;
            }
            Phase::Live { at } => at,
        };
        // A client may know more than this node: it heard it from another.
        let known = usize::try_from(at.saturating_sub(from)).unwrap_or(usize::MAX);
        let length = u64::try_from(run.frames.len()).unwrap_or(u64::MAX);
        *at = (*at).max(from.saturating_add(length));
        match run.quieted(&self.conn, known) {
            Some(news) => self.conn.must(&news),
            None => self.conn.must(run.frames.get(known..).unwrap_or_default()),
        }
    }
}

impl<L: Line> Waiting<L> {
    fn put(&mut self, seq: u64, frame: &L::Frame, conn: &Conn<L>) {
        self.bytes = self.bytes.saturating_add(L::size(frame));
        if self.is_over || self.bytes > conn.backlog_bytes_max {
            self.is_over = true;
            self.pending = Vec::new();
        } else {
            self.pending.push((seq, frame.clone()));
        }
    }

    /// What came so far is had by other means.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl<L: Line> Conn<L> {
    /// Gives what must not be lost; a client that is too far behind is sent away.
    pub(super) fn must(&self, frames: &[L::Frame]) -> bool {
        let pushed = match frames {
            [] => return false,
            [one] => self.line.push(one, Class::Must),
            several => self.line.push_all(several),
        };
        match pushed {
            Pushed::Taken => true,
            Pushed::Overflow => {
                self.close(close::SLOW, "too slow: resume");
                false
            }
            Pushed::Dropped | Pushed::Closed => false,
        }
    }
}
