//! Announcements as bytes. Nodes of two versions run beside each other while they are replaced: what
//! one does not know it skips, and finds in the database.

mod preferences;

use bytes::Bytes;
use prost::Message;
use tradepost_notifications::stream::{Epoch, Stream};
use tradepost_types::TenantId;
use uuid::Uuid;

use preferences::ChangeBytes;

use crate::nodes::Parcel;
use crate::ports::{Announcement, Entry, MemberChange, ReadMove, Reader, Signal, StreamKey, Whose};

#[derive(Clone, PartialEq, Message)]
struct ParcelBytes {
    #[prost(uint64, tag = "1")]
    first: u64,
    #[prost(string, optional, tag = "2")]
    epoch: Option<String>,
    #[prost(message, repeated, tag = "3")]
    announcements: Vec<AnnouncementBytes>,
}

#[derive(Clone, PartialEq, Message)]
struct AnnouncementBytes {
    #[prost(oneof = "Kind", tags = "1, 2, 3, 4, 5")]
    kind: Option<Kind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Kind {
    #[prost(message, tag = "1")]
    Entry(EntryBytes),
    #[prost(message, tag = "2")]
    Signal(SignalBytes),
    #[prost(message, tag = "3")]
    Member(MemberBytes),
    #[prost(message, tag = "4")]
    Read(ReadBytes),
    #[prost(message, tag = "5")]
    Preferences(ChangeBytes),
}

/// Either `user` or `group`.
#[derive(Clone, PartialEq, Message)]
struct KeyBytes {
    #[prost(bytes = "vec", tag = "1")]
    tenant: Vec<u8>,
    #[prost(string, tag = "2")]
    user: String,
    #[prost(string, tag = "3")]
    group: String,
}

#[derive(Clone, PartialEq, Message)]
struct EntryBytes {
    #[prost(message, optional, tag = "1")]
    key: Option<KeyBytes>,
    #[prost(uint64, tag = "2")]
    seq: u64,
    #[prost(int64, tag = "3")]
    stored_ms: i64,
    #[prost(bytes = "bytes", tag = "4")]
    text: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct SignalBytes {
    #[prost(message, optional, tag = "1")]
    key: Option<KeyBytes>,
    #[prost(string, optional, tag = "2")]
    collapse: Option<String>,
    #[prost(bytes = "bytes", tag = "3")]
    text: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct MemberBytes {
    #[prost(message, optional, tag = "1")]
    reader: Option<KeyBytes>,
    #[prost(string, tag = "2")]
    group: String,
    #[prost(uint64, tag = "3")]
    seq: u64,
    #[prost(bool, tag = "4")]
    is_member: bool,
    #[prost(uint64, tag = "5")]
    version: u64,
}

#[derive(Clone, PartialEq, Message)]
struct ReadBytes {
    #[prost(message, optional, tag = "1")]
    reader: Option<KeyBytes>,
    #[prost(string, tag = "2")]
    stream: String,
    #[prost(uint64, tag = "3")]
    seq: u64,
}

/// A parcel as it came.
#[derive(Debug)]
pub(super) struct Opened {
    /// What could be read of it.
    pub(super) parcel: Parcel,
    /// The number of the parcel that comes next from the same node.
    pub(super) next: u64,
}

/// A parcel as bytes.
pub(super) fn seal(parcel: &Parcel) -> Vec<u8> {
    let announcements = parcel.announcements.iter().map(announcement_bytes);
    ParcelBytes {
        first: parcel.first,
        epoch: parcel.epoch.as_ref().map(|epoch| epoch.0.to_string()),
        announcements: announcements.collect(),
    }
    .encode_to_vec()
}

/// The parcel that bytes are; none if they are no parcel. Announcements of a kind that is not known
/// are counted and left out.
pub(super) fn open(bytes: Bytes) -> Option<Opened> {
    let parcel = ParcelBytes::decode(bytes).ok()?;
    let count = parcel.announcements.len() as u64;
    let announcements = parcel.announcements.into_iter();
    Some(Opened {
        next: parcel.first.checked_add(count)?,
        parcel: Parcel {
            first: parcel.first,
            epoch: parcel.epoch.map(|epoch| Epoch(epoch.into()).into()),
            announcements: announcements.filter_map(announcement).collect(),
        },
    })
}

/// An entry as bytes: with its stream and its place, so that it is known for what it is.
pub(super) fn seal_entry(entry: &Entry) -> Vec<u8> {
    entry_bytes(entry).encode_to_vec()
}

/// The entry that bytes are; none if they are none.
pub(super) fn open_entry(bytes: Bytes) -> Option<Entry> {
    entry(EntryBytes::decode(bytes).ok()?)
}

fn announcement_bytes(announcement: &Announcement) -> AnnouncementBytes {
    let kind = match announcement {
        Announcement::Entry(entry) => Kind::Entry(entry_bytes(entry)),
        Announcement::Signal(signal) => Kind::Signal(SignalBytes {
            key: Some(key_bytes(&signal.key)),
            collapse: signal.collapse.as_ref().map(ToString::to_string),
            text: signal.text.clone(),
        }),
        Announcement::Member(change) => Kind::Member(MemberBytes {
            reader: Some(reader_bytes(&change.reader)),
            group: change.group.as_str().to_owned(),
            seq: change.seq,
            is_member: change.is_member,
            version: change.version,
        }),
        Announcement::Read(moved) => Kind::Read(ReadBytes {
            reader: Some(reader_bytes(&moved.reader)),
            stream: moved.stream.to_string(),
            seq: moved.seq,
        }),
        Announcement::Preferences(change) => Kind::Preferences(preferences::seal(change)),
    };
    AnnouncementBytes { kind: Some(kind) }
}

fn announcement(bytes: AnnouncementBytes) -> Option<Announcement> {
    Some(match bytes.kind? {
        Kind::Entry(bytes) => Announcement::Entry(entry(bytes)?),
        Kind::Signal(bytes) => Announcement::Signal(Signal {
            key: key(bytes.key?)?,
            collapse: bytes.collapse.map(Into::into),
            text: bytes.text,
        }),
        Kind::Member(bytes) => Announcement::Member(MemberChange {
            reader: reader(bytes.reader?)?,
            group: bytes.group.parse().ok()?,
            seq: bytes.seq,
            is_member: bytes.is_member,
            version: bytes.version,
        }),
        Kind::Read(bytes) => Announcement::Read(ReadMove {
            reader: reader(bytes.reader?)?,
            stream: bytes.stream.parse::<Stream>().ok()?,
            seq: bytes.seq,
        }),
        Kind::Preferences(bytes) => Announcement::Preferences(preferences::open(bytes)?),
    })
}

fn entry_bytes(entry: &Entry) -> EntryBytes {
    EntryBytes {
        key: Some(key_bytes(&entry.key)),
        seq: entry.seq,
        stored_ms: entry.stored_ms,
        text: entry.text.clone(),
    }
}

fn entry(bytes: EntryBytes) -> Option<Entry> {
    Some(Entry {
        key: key(bytes.key?)?,
        seq: bytes.seq,
        stored_ms: bytes.stored_ms,
        text: bytes.text,
    })
}

fn key_bytes(key: &StreamKey) -> KeyBytes {
    let (user, group) = match &key.whose {
        Whose::User(user) => (user.as_str(), ""),
        Whose::Group(group) => ("", group.as_str()),
    };
    KeyBytes {
        tenant: key.tenant.as_uuid().as_bytes().to_vec(),
        user: user.to_owned(),
        group: group.to_owned(),
    }
}

fn key(bytes: KeyBytes) -> Option<StreamKey> {
    let whose = if bytes.group.is_empty() {
        Whose::User(bytes.user.parse().ok()?)
    } else {
        Whose::Group(bytes.group.parse().ok()?)
    };
    Some(StreamKey {
        tenant: TenantId::from_uuid(Uuid::from_slice(&bytes.tenant).ok()?),
        whose,
    })
}

fn reader_bytes(reader: &Reader) -> KeyBytes {
    KeyBytes {
        tenant: reader.tenant.as_uuid().as_bytes().to_vec(),
        user: reader.user.as_str().to_owned(),
        group: String::new(),
    }
}

fn reader(bytes: KeyBytes) -> Option<Reader> {
    Some(Reader {
        tenant: TenantId::from_uuid(Uuid::from_slice(&bytes.tenant).ok()?),
        user: bytes.user.parse().ok()?,
    })
}

#[cfg(test)]
mod tests;
