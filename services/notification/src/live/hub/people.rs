//! Who is here, and what groups they are in.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tradepost_notifications::stream::{GroupName, Stream};

use super::conn::Conn;
use super::silence::Known;
use crate::live::Line;
use crate::ports::{MemberChange, Opened, Present, ReadMove, Reader};

/// A person who has connections here.
pub(super) struct Person<L: Line> {
    /// Since when they have been here without a break, in milliseconds since 1970.
    pub(super) since_ms: i64,
    /// The oldest first.
    pub(super) conns: Vec<Arc<Conn<L>>>,
    /// What was heard of their memberships, former ones too: an older change that comes late is
    /// known by its version.
    pub(super) groups: Vec<Membership>,
    /// Up to where they have read, as far as it was heard of while they were here.
    reads: BTreeMap<Stream, u64>,
    /// How they want to be told, if they ever said so.
    pub(super) preferred: Option<Box<Known>>,
}

impl<L: Line> Person<L> {
    /// Somebody who was not here before.
    pub(super) const fn since(since_ms: i64) -> Self {
        Self {
            since_ms,
            conns: Vec::new(),
            groups: Vec::new(),
            reads: BTreeMap::new(),
            preferred: None,
        }
    }

    /// That they are here.
    pub(super) fn present(&self) -> Present {
        Present {
            connections: u32::try_from(self.conns.len()).unwrap_or(u32::MAX),
            since_ms: self.since_ms,
        }
    }
}

pub(super) type People<L> = HashMap<Reader, Person<L>>;

/// The newest that is known of a membership.
#[derive(Debug, Clone)]
pub(super) struct Membership {
    pub(super) group: GroupName,
    pub(super) version: u64,
    pub(super) is_member: bool,
    /// What came up to here is not for a connection that begins to follow it now.
    pub(super) after: u64,
}

impl<L: Line> Person<L> {
    /// Takes over what is newer than what is known; whether it was.
    pub(super) fn learn(&mut self, news: Membership) -> bool {
        let known = self
            .groups
            .iter_mut()
            .find(|known| known.group == news.group);
        match known {
            Some(known) if known.version >= news.version => false,
            Some(known) => {
                *known = news;
                true
            }
            None => {
                self.groups.push(news);
                true
            }
        }
    }

    /// Whether that is further than what is known.
    pub(super) fn read_on(&mut self, moved: &ReadMove) -> bool {
        let known = self.reads.entry(moved.stream.clone()).or_default();
        let before = std::mem::replace(known, moved.seq.max(*known));
        before < moved.seq
    }

    /// Takes over what the database said.
    pub(super) fn learn_all(&mut self, opened: &Opened) {
        for place in &opened.groups {
            self.learn(Membership {
                group: place.group.clone(),
                version: place.version,
                is_member: true,
                after: place.stood,
            });
        }
    }
}

impl From<&MemberChange> for Membership {
    fn from(change: &MemberChange) -> Self {
        Self {
            group: change.group.clone(),
            version: change.version,
            is_member: change.is_member,
            after: change.seq,
        }
    }
}
