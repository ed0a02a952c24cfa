//! What streams bring to those who follow them.

use std::collections::hash_map::Entry as Slot;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tradepost_notifications::stream::Epoch;
use tradepost_notifications::wire::close;
use tradepost_websocket::{Class, Pushed};

use super::conn::{self, Conn, Stage};
use super::followed::{Followed, Follower, Kept, Phase, Room, State};
use super::silence::Call;
use super::{Hub, lock};
use crate::live::Line;
use crate::ports::{Announcement, Change, Entry, Follow, Gap, Signal, StreamKey, Top};

/// Entries that came together and go to each connection in one write, at most.
const RUN_MAX: usize = 64;

impl<L: Line> Hub<L> {
    /// Lets a connection follow a stream, waiting; whether it did not do so before. The lock of the
    /// connection is the caller's.
    pub(super) fn follow(
        &self,
        conn: &Arc<Conn<L>>,
        state: &mut conn::State<L>,
        key: &StreamKey,
    ) -> bool {
        if state.stage == Stage::Gone || state.streams.iter().any(|stream| stream.key == *key) {
            return false;
        }
        let mut table = lock(self.stream_shard(key));
        let stream = match table.entry(key.clone()) {
            Slot::Occupied(known) => Arc::clone(known.get()),
            Slot::Vacant(free) => Arc::clone(free.insert(Followed::new(key.clone()))),
        };
        // Under the lock of the table: else it might be taken out as one that nobody follows.
        let follower = Follower {
            conn: Arc::clone(conn),
            phase: Phase::Waiting(Box::default()),
            acked: 0,
        };
        stream.lock().followers.insert(conn.id, follower);
        drop(table);
        state.streams.push(stream);
        true
    }

    /// Ends that; a stream that nobody follows is forgotten.
    pub(super) fn unfollow(&self, conn: &Conn<L>, stream: &Arc<Followed<L>>) {
        let mut table = lock(self.stream_shard(&stream.key));
        let mut state = stream.lock();
        state.followers.remove(&conn.id);
        let is_here = table
            .get(&stream.key)
            .is_some_and(|known| Arc::ptr_eq(known, stream));
        if state.followers.is_empty() && is_here {
            self.kept_bytes.fetch_sub(state.forget(), Ordering::Relaxed);
            table.remove(&stream.key);
        }
    }

    fn followed(&self, key: &StreamKey) -> Option<Arc<Followed<L>>> {
        lock(self.stream_shard(key)).get(key).cloned()
    }

    /// Delivers what can be, and notes what cannot.
    pub(super) fn advance(&self, key: &StreamKey, state: &mut State<L>) {
        let kept = self.kept_bytes.load(Ordering::Relaxed);
        let mut room = Room {
            entries_max: self.limits.entries_max,
            bytes_left: self.limits.bytes_max.saturating_sub(kept),
            added: 0,
            freed: 0,
        };
        if let Some((run, reached)) = state.advance(&mut room, || self.clock.now()) {
            // First up, so that the sum is never below 0.
            self.kept_bytes.fetch_add(room.added, Ordering::Relaxed);
            let freed = self.kept_bytes.fetch_sub(room.freed, Ordering::Relaxed);
            self.metrics.kept(freed.saturating_sub(room.freed));
            let entries = run.frames.len();
            self.metrics.delivered(entries.saturating_mul(reached));
            run.count(&self.metrics);
        }
        if state.is_behind() {
            lock(&self.behind).insert(key.clone());
        }
    }

    fn take(&self, entry: &Entry, taken: &mut Vec<Arc<Followed<L>>>) {
        let Some(stream) = self.followed(&entry.key) else {
            return;
        };
        stream.lock().take(entry.seq, || Kept {
            stored_ms: entry.stored_ms,
            frame: L::frame(&entry.text),
        });
        // To go on twice does no harm: the second time there is nothing.
        if !taken.last().is_some_and(|last| Arc::ptr_eq(last, &stream)) {
            taken.push(stream);
        }
    }

    fn go_on(&self, taken: &mut Vec<Arc<Followed<L>>>) {
        for stream in taken.drain(..) {
            self.advance(&stream.key, &mut stream.lock());
        }
    }

    fn signal(&self, signal: &Signal) {
        let Some(stream) = self.followed(&signal.key) else {
            return;
        };
        let mut call = Call::<L>::new(L::frame(&signal.text), self.clock.now());
        let (mut reached, mut dropped, mut silent) = (0, 0, 0);
        for follower in stream.lock().followers.values() {
            if matches!(follower.phase, Phase::Waiting(_)) {
                continue;
            }
            if call.is_silent_for(&follower.conn) {
                silent += 1;
                continue;
            }
            let class = match &signal.collapse {
                Some(key) => Class::Collapse(format!("signal:{key}").into()),
                None => Class::Ephemeral,
            };
            match follower.conn.line.push(&call.frame, class) {
                Pushed::Taken => reached += 1,
                Pushed::Dropped | Pushed::Overflow => dropped += 1,
                Pushed::Closed => {}
            }
        }
        self.metrics.signals(reached, dropped, silent);
    }

    /// Notes where the database was seen to stand.
    pub(super) fn raise(&self, key: &StreamKey, top: u64) {
        let Some(stream) = self.followed(key) else {
            return;
        };
        let mut state = stream.lock();
        // One that nobody has placed yet is placed by who opens it.
        if state.top.is_some() {
            state.raise(top);
            self.advance(key, &mut state);
        } else {
            state.told = state.told.max(top);
        }
    }
}

impl<L: Line> Follow for Hub<L> {
    fn tell(&self, changes: &[Change]) {
        let mut taken = Vec::new();
        for run in changes.chunks(RUN_MAX) {
            for change in run {
                if !matches!(change, Announcement::Entry(_)) {
                    self.go_on(&mut taken);
                }
                match change {
                    Announcement::Entry(entry) => self.take(entry, &mut taken),
                    Announcement::Signal(signal) => self.signal(signal),
                    Announcement::Member(change) => self.member(change),
                    Announcement::Read(moved) => self.moved(moved),
                    Announcement::Preferences(change) => self.prefer(change),
                }
            }
            self.go_on(&mut taken);
        }
    }

    fn gaps(&self, tops: &[Top]) -> Vec<Gap> {
        for (key, top) in tops {
            self.raise(key, *top);
        }
        // Taken out before they are looked at: a gap that comes meanwhile, in a stream that is followed
        // anew perhaps, is noted again, and stays noted.
        let behind = std::mem::take(&mut *lock(&self.behind));
        let mut gaps = Vec::new();
        for key in behind {
            let Some(stream) = self.followed(&key) else {
                continue;
            };
            let state = stream.lock();
            if state.is_behind() {
                state.gaps(&key, &mut gaps);
                lock(&self.behind).insert(key);
            }
        }
        gaps
    }

    fn epoch(&self, epoch: &Epoch) {
        {
            let mut known = lock(&self.epoch);
            if known.as_ref() == Some(epoch) {
                return;
            }
            let before = known.replace(epoch.clone());
            if before.is_none() {
                return;
            }
        }
        tracing::warn!(
            event = "live.epoch",
            epoch = &*epoch.0,
            "the history is another one: all connections begin anew"
        );
        // The streams first: who comes now must not follow one of the other history.
        for shard in &self.streams {
            let streams = std::mem::take(&mut *lock(shard));
            for stream in streams.into_values() {
                let conns: Vec<_> = {
                    let mut state = stream.lock();
                    self.kept_bytes.fetch_sub(state.forget(), Ordering::Relaxed);
                    state.conns()
                };
                for conn in conns {
                    self.expel(&conn);
                }
            }
        }
    }

    fn lost(&self, gap: &Gap) {
        let Some(stream) = self.followed(&gap.key) else {
            return;
        };
        let conns: Vec<_> = {
            let state = stream.lock();
            if state.top.is_none_or(|top| top >= gap.upto) {
                return;
            }
            state.conns()
        };
        tracing::warn!(
            event = "live.lost",
            gap.after,
            gap.upto,
            "a gap cannot be filled: who follows the stream begins anew"
        );
        for conn in conns {
            self.expel(&conn);
        }
    }
}

impl<L: Line> Hub<L> {
    /// Ends a connection that cannot be told everything. It follows nothing from here on, so that
    /// its streams are forgotten with the last of them.
    fn expel(&self, conn: &Arc<Conn<L>>) {
        conn.close(close::RESET, "begin anew");
        self.leave(conn);
    }
}
