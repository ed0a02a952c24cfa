//! What has happened and is told: committed, or ephemeral.

use std::sync::Arc;

use bytes::Bytes;
use tradepost_notifications::stream::{GroupName, Stream, UserName};
use tradepost_types::TenantId;

use crate::domain::Preferences;

/// A person of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reader {
    /// Their tenant.
    pub tenant: TenantId,
    /// Who.
    pub user: UserName,
}

/// Whose stream.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Whose {
    /// A user's.
    User(UserName),
    /// A group's.
    Group(GroupName),
}

/// A stream, among those of all tenants.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamKey {
    /// Whose tenant's.
    pub tenant: TenantId,
    /// Whose.
    pub whose: Whose,
}

impl StreamKey {
    /// What its readers call it.
    #[must_use]
    pub fn seen(&self) -> Stream {
        match &self.whose {
            Whose::User(_) => Stream::User,
            Whose::Group(group) => Stream::Group(group.clone()),
        }
    }
}

/// A durable notification at its place, committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The stream.
    pub key: StreamKey,
    /// The place, from 1, without gaps.
    pub seq: u64,
    /// When it was stored, in milliseconds since 1970.
    pub stored_ms: i64,
    /// The whole message as clients get it (`wire::Told::Notification`): the same for all readers.
    pub text: Bytes,
}

/// An ephemeral notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal {
    /// Who hears it.
    pub key: StreamKey,
    /// Of those with the same key that wait for a slow reader only the newest stays; none: each
    /// stays, or is dropped.
    pub collapse: Option<Box<str>>,
    /// The whole message as clients get it (`wire::Told::Signal`).
    pub text: Bytes,
}

/// A membership that began or ended, committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberChange {
    /// Whose.
    pub reader: Reader,
    /// In which group.
    pub group: GroupName,
    /// Where the group's stream stood: a new member hears what comes after it, a former one nothing
    /// after it.
    pub seq: u64,
    /// Whether they are a member now.
    pub is_member: bool,
    /// Counts the changes of this membership, so that an older one that comes late is known.
    pub version: u64,
}

/// A read cursor that was moved, committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadMove {
    /// Whose.
    pub reader: Reader,
    /// In which stream.
    pub stream: Stream,
    /// Up to where they have read.
    pub seq: u64,
}

/// What a user prefers now, committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreferenceChange {
    /// Who.
    pub reader: Reader,
    /// Counts the changes, so that an older one that comes late is known.
    pub revision: u64,
    /// What; none: the database is to be asked, where the reader is connected.
    pub preferences: Option<Arc<Preferences>>,
}

/// What followers are told. All but signals are committed: losing one, or telling it twice or out of
/// order, is harmless, since followers order them and look at the database for what is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Announcement {
    /// A durable notification.
    Entry(Entry),
    /// An ephemeral one.
    Signal(Signal),
    /// A membership.
    Member(MemberChange),
    /// A read cursor.
    Read(ReadMove),
    /// How somebody wants to be told.
    Preferences(PreferenceChange),
}

/// Tells who follows, on this node and on all others.
pub trait Announce: Send + Sync {
    /// Tells this node's followers at once, in this order, and puts it on its way to other nodes.
    /// Never waits and never fails: what gets lost on the way to another node is found there by a
    /// look at the database, except signals.
    fn announce(&self, announcements: Vec<Announcement>);
}

/// As use cases hold it.
pub type Announcer = Arc<dyn Announce>;
