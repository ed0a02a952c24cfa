//! People who come into groups and leave them, and how far they have read.

use std::sync::Arc;

use tradepost_notifications::stream::GroupName;
use tradepost_notifications::wire::{Joined, Left, Places, Told};
use tradepost_websocket::Class;

use super::conn::{self, Conn, Stage};
use super::followed::Phase;
use super::people::{Membership, Person};
use super::{Hub, lock};
use crate::live::Line;
use crate::ports::{MemberChange, Opened, ReadMove, Reader, StreamKey, Whose};

impl<L: Line> Hub<L> {
    pub(super) fn member(&self, change: &MemberChange) {
        let mut people = lock(self.person_shard(&change.reader));
        let Some(person) = people.get_mut(&change.reader) else {
            return;
        };
        let news = Membership::from(change);
        if person.learn(news.clone()) {
            for conn in &person.conns {
                let mut state = conn.lock();
                // One that is opened takes it over when it begins.
                if state.stage == Stage::Begun {
                    self.apply(conn, &mut state, &news);
                }
            }
        }
    }

    pub(super) fn moved(&self, moved: &ReadMove) {
        let mut people = lock(self.person_shard(&moved.reader));
        let Some(person) = people.get_mut(&moved.reader) else {
            return;
        };
        // What was announced is seen once more by the look at the database.
        if !person.read_on(moved) {
            return;
        }
        let streams = [(moved.stream.clone(), moved.seq)].into();
        let frame = L::frame(&Told::Read(Places { streams }).text());
        for conn in &person.conns {
            let mut state = conn.lock();
            if state.stage == Stage::Opening {
                let read = state.reads.entry(moved.stream.clone()).or_default();
                *read = (*read).max(moved.seq);
            } else {
                let class = Class::Collapse(format!("read:{}", moved.stream).into());
                let _lost = conn.line.push(&frame, class);
            }
        }
    }

    /// Takes over what the database says of a person: groups, and where they stand. The latter
    /// matters to others too, and so counts when the person has gone.
    pub fn settle(&self, reader: &Reader, opened: &Opened) {
        self.take_over(reader, opened);
        for place in &opened.groups {
            self.raise(&group_key(reader, &place.group), place.place.top);
        }
    }

    /// Takes over what the database says of a person who is here, for all their connections: what
    /// is announced of it later is known then, and is not looked at again.
    pub(super) fn take_over(&self, reader: &Reader, opened: &Opened) {
        let mut people = lock(self.person_shard(reader));
        let Some(person) = people.get_mut(reader) else {
            return;
        };
        if person.prefer_as(opened.preferred.as_ref()) {
            person.tune_all();
        }
        person.learn_all(opened);
        for conn in &person.conns {
            let mut state = conn.lock();
            // One that is opened takes it over when it begins.
            if state.stage == Stage::Begun {
                self.reconcile(conn, &mut state, person);
            }
        }
    }

    /// Lets a connection that was welcomed follow the groups that its person is in, and no others.
    pub(super) fn reconcile(
        &self,
        conn: &Arc<Conn<L>>,
        state: &mut conn::State<L>,
        person: &Person<L>,
    ) {
        for membership in &person.groups {
            self.apply(conn, state, membership);
        }
    }

    fn apply(&self, conn: &Arc<Conn<L>>, state: &mut conn::State<L>, membership: &Membership) {
        let followed = state.in_group(&membership.group);
        match (membership.is_member, followed) {
            (true, None) => self.join(conn, state, membership),
            (false, Some(place)) => {
                let stream = state.streams.swap_remove(place);
                self.unfollow(conn, &stream);
                let left = Left {
                    stream: stream.key.seen(),
                };
                conn.must(&[L::frame(&Told::Left(left).text())]);
            }
            (true, Some(_)) | (false, None) => {}
        }
    }

    /// A group more, while the connection lives.
    fn join(&self, conn: &Arc<Conn<L>>, state: &mut conn::State<L>, membership: &Membership) {
        let key = group_key(&conn.reader, &membership.group);
        if !self.follow(conn, state, &key) {
            return;
        }
        let Some(stream) = state.streams.last() else {
            return;
        };
        let mut followed = stream.lock();
        if followed.top.is_none() {
            // What came after the joining may have passed this node by: nobody followed it.
            followed.raise(membership.after);
            self.look_again(&conn.reader);
        }
        let top = followed.top.unwrap_or(membership.after);
        // What was told since the joining, if it is still had; else it begins where it stands.
        let missed = followed.kept_after(membership.after);
        let seq = match missed {
            Some(_) => membership.after,
            None => top.max(membership.after),
        };
        let joined = Joined {
            stream: key.seen(),
            seq,
            // What came late is kept here no more, and is in the history only.
            recovered: (seq > membership.after).then_some(false),
        };
        let mut frames = vec![L::frame(&Told::Joined(joined).text())];
        frames.extend(self.quieted(conn, missed.unwrap_or_default()));
        conn.must(&frames);
        if let Some(follower) = followed.followers.get_mut(&conn.id) {
            follower.phase = Phase::Live { at: top.max(seq) };
        }
        self.advance(&key, &mut followed);
    }

    pub(super) fn look_again(&self, reader: &Reader) {
        lock(&self.unsure).insert(reader.clone());
        self.is_unsure.notify_one();
    }
}

/// The stream of a group of a reader's tenant.
pub(super) fn group_key(reader: &Reader, group: &GroupName) -> StreamKey {
    StreamKey {
        tenant: reader.tenant,
        whose: Whose::Group(group.clone()),
    }
}
