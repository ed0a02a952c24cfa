//! The database, as those see it who tell, keep groups and read: within one tenant.

use std::sync::Arc;

use async_trait::async_trait;
use time::{Date, OffsetDateTime};
use tradepost_notifications::content::Content;
use tradepost_notifications::stream::{GroupName, Stream, UserName};
use tradepost_types::{NotificationId, TenantId};

use super::announcements::{Entry, MemberChange, ReadMove, Reader, StreamKey};
use super::live::StoreError;

/// Who is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whom {
    /// These users, each once.
    Users(Vec<UserName>),
    /// The members of a group.
    Group(GroupName),
}

/// By what a repetition of a request is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestKey {
    /// The id that the caller gave it.
    pub id: String,
    /// Its digest: the same id with another is refused.
    pub fingerprint: [u8; 32],
}

/// Something to tell for good.
#[derive(Debug, Clone)]
pub struct Telling {
    /// Whose tenant's.
    pub tenant: TenantId,
    /// Whom.
    pub whom: Whom,
    /// The same for all of them.
    pub id: NotificationId,
    /// What.
    pub content: Arc<Content>,
    /// The request.
    pub request: RequestKey,
}

/// What the caller gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The notification's id.
    pub id: NotificationId,
    /// Its places, in the order of the users; one for a group.
    pub sequences: Vec<u64>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is committed: announce it.
    Stored(Receipt, Vec<Entry>),
    /// It was before, and this was the answer.
    Replayed(Receipt),
    /// The request id was used for another request.
    Reused,
    /// There is no such group.
    NoGroup,
}

/// Where notifications go in.
#[async_trait]
pub trait Tellings: Send + Sync {
    /// Stores it in all streams, or in none, with the request's key. A concurrent repetition waits for
    /// the first. A group commit: calls that come together share a transaction.
    ///
    /// # Errors
    /// The database's.
    async fn tell(&self, telling: Telling) -> Result<Outcome, StoreError>;
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its id.
    pub id: GroupName,
    /// For people.
    pub display_name: String,
    /// The last sequence of its stream; 0: none.
    pub top: u64,
}

/// What became of a wish to join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Joined {
    /// These are members now, and were none before.
    Done(Vec<MemberChange>),
    /// There is no such group.
    NoGroup,
    /// This user is in as many groups as one may be in; nobody has joined.
    TooMany(UserName),
}

/// Groups and their members.
#[async_trait]
pub trait Groups: Send + Sync {
    /// Whether there is such a group.
    ///
    /// # Errors
    /// The database's.
    async fn exists(&self, tenant: TenantId, group: &GroupName) -> Result<bool, StoreError>;

    /// Makes it, or gives it that name. None: the tenant has `groups_max`.
    ///
    /// # Errors
    /// The database's.
    async fn put(
        &self,
        tenant: TenantId,
        group: &GroupName,
        display_name: &str,
    ) -> Result<Option<Group>, StoreError>;

    /// The tenant's groups, or those of one of its users, by id after that one.
    ///
    /// # Errors
    /// The database's.
    async fn list(
        &self,
        tenant: TenantId,
        user: Option<&UserName>,
        after: Option<&GroupName>,
        limit: i64,
    ) -> Result<Vec<Group>, StoreError>;

    /// Makes users members from where the group's stream stands.
    ///
    /// # Errors
    /// The database's.
    async fn join(
        &self,
        tenant: TenantId,
        group: &GroupName,
        users: &[UserName],
    ) -> Result<Joined, StoreError>;

    /// Ends memberships where the group's stream stands, and says whose; none: there is no such
    /// group. Who leaves has read everything.
    ///
    /// # Errors
    /// The database's.
    async fn leave(
        &self,
        tenant: TenantId,
        group: &GroupName,
        users: &[UserName],
    ) -> Result<Option<Vec<MemberChange>>, StoreError>;

    /// The members, by id after that one; none: there is no such group.
    ///
    /// # Errors
    /// The database's.
    async fn members(
        &self,
        tenant: TenantId,
        group: &GroupName,
        after: Option<&UserName>,
        limit: i64,
    ) -> Result<Option<Vec<UserName>>, StoreError>;
}

/// A place in a history: the time, the stream and the sequence there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryKey {
    /// When it was stored.
    pub time: OffsetDateTime,
    /// In which stream.
    pub stream: Stream,
    /// Where.
    pub seq: u64,
}

/// A piece of a history, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryQuestion {
    /// Only what is unread.
    pub unread_only: bool,
    /// What comes behind this.
    pub after: Option<HistoryKey>,
    /// So many at most.
    pub limit: i64,
}

/// A notification in a history.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Its place.
    pub key: HistoryKey,
    /// Its id.
    pub id: NotificationId,
    /// What was told.
    pub content: Content,
    /// Whether the read cursor of its stream is at or behind it.
    pub read: bool,
}

/// Where a user stands in a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The stream.
    pub stream: Stream,
    /// The last that was told there.
    pub top: u64,
    /// Up to where they have read.
    pub read: u64,
}

/// What became of a wish to move read cursors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Marked {
    /// Where all cursors of the user stand now, and which were moved.
    Done(Vec<Cursor>, Vec<ReadMove>),
    /// The user is not in that stream's group; nothing was moved.
    NoStream(Stream),
}

/// What users were told, and what of it they have read.
#[async_trait]
pub trait Histories: Send + Sync {
    /// A piece of the reader's history: of their own stream, and of groups while they were members.
    ///
    /// # Errors
    /// The database's.
    async fn page(
        &self,
        reader: &Reader,
        question: &HistoryQuestion,
    ) -> Result<Vec<Kept>, StoreError>;

    /// Where all their cursors stand, their own stream first.
    ///
    /// # Errors
    /// The database's.
    async fn cursors(&self, reader: &Reader) -> Result<Vec<Cursor>, StoreError>;

    /// Moves cursors, never back and never above the top; none are named: all, to the top.
    ///
    /// # Errors
    /// The database's.
    async fn mark(&self, reader: &Reader, marks: &[(Stream, u64)]) -> Result<Marked, StoreError>;
}

/// What keeps the tables in order.
#[async_trait]
pub trait UpkeepStore: Send + Sync {
    /// Makes the partitions of the months from that of `first` to that of `last`, and says how many
    /// were missing.
    ///
    /// # Errors
    /// The database's.
    async fn prepare(&self, first: Date, last: Date) -> Result<u32, StoreError>;

    /// What was told before the month of `kept_from` is about to be dropped, and is not unread any
    /// more: cursors of so many streams after this one, in the order of their keys, are moved up to
    /// its end. The last of these streams; none: there was none.
    ///
    /// # Errors
    /// The database's.
    async fn pass_over(
        &self,
        kept_from: Date,
        after: Option<&StreamKey>,
        limit: i64,
    ) -> Result<Option<StreamKey>, StoreError>;

    /// Drops the oldest month, if it is before that of `kept_from`, and says which it was.
    ///
    /// # Errors
    /// The database's.
    async fn forget(&self, kept_from: Date) -> Result<Option<Date>, StoreError>;

    /// Forgets memberships that ended before `kept_from`, up to so many, and says how many: nothing
    /// that was told to them is kept.
    ///
    /// # Errors
    /// The database's.
    async fn forget_members(&self, kept_from: Date, limit: i64) -> Result<u64, StoreError>;
}
