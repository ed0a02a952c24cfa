//! What connections live on: the past of streams, and what has changed.

use std::sync::Arc;

use async_trait::async_trait;
use tradepost_notifications::stream::{Epoch, GroupName, Stream};
use tradepost_postgres::DbError;

use super::announcements::{Announcement, Entry, MemberChange, ReadMove, Reader, StreamKey};
use super::preferences::Preferred;

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] DbError),
}

impl StoreError {
    /// The same failure for another call of the same transaction.
    #[must_use]
    pub fn alike(&self) -> Self {
        match self {
            Self::Database(error) => Self::Database(error.alike()),
        }
    }
}

/// Where a stream stands for a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The last sequence that is committed; 0: none.
    pub top: u64,
    /// Up to where the reader has read.
    pub read: u64,
}

/// The same of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupPlace {
    /// The group.
    pub group: GroupName,
    /// Where it stands.
    pub place: Place,
    /// What came up to here was before the membership, and is not for this reader.
    pub joined_after: u64,
    /// Where it stood when the membership changed last: a connection that takes it over while it
    /// lives begins here. Not before [`GroupPlace::joined_after`]; after it, for who left and came
    /// back before anything was told.
    pub stood: u64,
    /// See [`MemberChange::version`].
    pub version: u64,
}

/// Where all streams of a reader stand, at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Of which history.
    pub epoch: Epoch,
    /// Their own stream; a user of whom nothing is known stands at 0.
    pub user: Place,
    /// Groups they are a member of.
    pub groups: Vec<GroupPlace>,
    /// How they want to be told; none: they have never said.
    pub preferred: Option<Preferred>,
}

/// A piece of a stream: after `after`, up to and with `upto`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Gap {
    /// The stream.
    pub key: StreamKey,
    /// What is had.
    pub after: u64,
    /// What is wanted.
    pub upto: u64,
}

/// How much of a gap is read at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Portion {
    /// Entries, at most.
    pub entries: u32,
    /// Bytes of their content, about. One is read however large it is.
    pub bytes: usize,
}

/// A moment of the database, before which everything was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Snapshot(pub u64);

/// What was committed since a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// Of which history.
    pub epoch: Epoch,
    /// Streams that went on, with their new top.
    pub tops: Vec<Top>,
    /// Memberships that changed.
    pub members: Vec<MemberChange>,
    /// Who has changed how they want to be told, and which revision that made.
    pub preferences: Vec<(Reader, u64)>,
    /// Cursors that moved.
    pub reads: Vec<ReadMove>,
    /// Everything that was committed before this is in some answer.
    pub next: Snapshot,
}

/// The database, as those see it who deliver: of all tenants, by the system role.
#[async_trait]
pub trait Past: Send + Sync {
    /// Where the streams of these readers stand, in the order given. A group commit: calls that come
    /// together share a statement.
    async fn open(&self, readers: &[Reader]) -> Result<Vec<Opened>, StoreError>;

    /// The entries of each gap, in order of their sequence, a portion of each (the lowest).
    /// What was too old to be kept is missing: the caller sees that by the sequences.
    async fn entries(&self, gaps: &[Gap], portion: Portion) -> Result<Vec<Vec<Entry>>, StoreError>;

    /// What was committed since `since`, in pages of about `limit` rows: the answer's `next` goes on.
    /// None: nothing is asked but where the database stands now. A transaction that was under way at
    /// `next` is in a later answer: none is ever skipped, and some may come twice.
    async fn tail(&self, since: Option<Snapshot>, limit: u32) -> Result<Tail, StoreError>;
}

/// As its users hold it.
pub type Pasts = Arc<dyn Past>;

/// What was told lately, in a place that may vanish at any moment.
#[async_trait]
pub trait Recent: Send + Sync {
    /// For each gap all its entries in order, or none if it does not have all of them, or they have
    /// more bytes together (or it fails, or takes too long: never an error).
    async fn recent(&self, gaps: &[Gap], bytes_max: usize) -> Vec<Option<Vec<Entry>>>;
}

/// As its users hold it.
pub type Recents = Arc<dyn Recent>;

/// Something a node is told of, by itself or by another.
pub type Change = Announcement;
/// Several.
pub type Changes = Vec<Change>;

/// A stream that is followed here, and where it stands.
pub type Top = (StreamKey, u64);

/// Who follows streams on this node: connections. Told in any order and more than once, they deliver
/// each stream in order, without gaps and without repetition.
pub trait Follow: Send + Sync {
    /// Tells them. What leaves a gap waits for [`Follow::gaps`] to be filled; a stream that nobody
    /// follows here is passed over.
    fn tell(&self, changes: &[Change]);

    /// Pieces that are missing below what was told, or below these tops, of streams that are
    /// followed here. Whoever fills them calls `tell` with the entries.
    fn gaps(&self, tops: &[Top]) -> Vec<Gap>;

    /// The history has this epoch; connections of another one are closed with `close::RESET`.
    fn epoch(&self, epoch: &Epoch);

    /// A gap can never be filled (its entries are older than what is kept): whoever follows the
    /// stream is closed with `close::RESET`, and hears `recovered: false` when they are back.
    fn lost(&self, gap: &Gap);
}

/// As its users hold it.
pub type Followers = Arc<dyn Follow>;

/// How far people have read.
#[async_trait]
pub trait ReadCursors: Send + Sync {
    /// The reader has read these streams up to there. A cursor never goes back; streams that the
    /// reader has not are passed over. Whoever is connected is told of what has moved.
    async fn read(&self, reader: &Reader, streams: &[(Stream, u64)]) -> Result<(), StoreError>;
}

/// As its users hold it.
pub type Cursors = Arc<dyn ReadCursors>;
