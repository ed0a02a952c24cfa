//! What archiving needs: the days in the database, and the files in the object store.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use time::{Date, OffsetDateTime};
use tokio::sync::mpsc;
use tradepost_types::TenantId;

use super::StoreError;
use crate::domain::{ArchiveDay, DayState, NotItsTurn};
use crate::tally::{EventRows, Tally};

/// Rows on their way, in the order of tenant, time and number. The last message is `None`: a sender
/// that goes without it has failed, and what came is not all.
pub type RowsOut = mpsc::Sender<Option<EventRows>>;
/// The other end.
pub type RowsIn = mpsc::Receiver<Option<EventRows>>;

/// A file of the manifest, or as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct FileFacts {
    /// Which part of its edition, from 0.
    pub part: i32,
    /// Where it lies, below the store's URL.
    pub path: String,
    /// Its size.
    pub bytes: i64,
    /// Its SHA-256.
    pub sha256: [u8; 32],
    /// What its rows add up to.
    pub tally: Tally,
}

/// A day's rows as the database counts them, in one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DayCount {
    /// By tenant.
    pub tenants: Vec<TenantCount>,
    /// The earliest and latest moment of what leaves, in milliseconds since 1970.
    pub times_ms: Option<(i64, i64)>,
    /// The sum of its values, in no order.
    pub value_sum: f64,
    /// The sum of their magnitudes.
    pub magnitude: f64,
}

/// A tenant's rows of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TenantCount {
    /// Whose.
    pub tenant: TenantId,
    /// Rows that leave.
    pub rows: i64,
    /// Rows that are in quarantine or in files that answer.
    pub elsewhere: i64,
    /// What the rollup of the day says; none: there is none.
    pub rolled_up: Option<i64>,
}

/// How many days stand where, and what the files have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ArchiveSummary {
    /// Days, by the words of their states.
    pub days: Vec<(String, i64)>,
    /// Rows of files that answer.
    pub rows: i64,
    /// Bytes of files that answer.
    pub bytes: i64,
}

impl ArchiveSummary {
    /// Days whose raw events are not where the audit looks: all but those that have their
    /// partition.
    #[must_use]
    pub fn archived(&self) -> i64 {
        let here = ["planned", "restored"];
        let days = self.days.iter();
        days.filter(|(state, _)| !here.contains(&state.as_str()))
            .map(|(_, days)| days)
            .sum()
    }
}

/// Which files of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Files {
    /// Those of its edition.
    OfEdition,
    /// Those that answer, of whatever edition.
    ThatAnswer,
}

/// Why a step was not taken. Nothing was lost; it can be tried again.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Others held locks for too long; they go first.
    #[error("the day's tables are too busy: tried again later")]
    Busy,
    /// The object store failed.
    #[error(transparent)]
    Files(#[from] FileStoreError),
    /// It must not happen to the day where it stands.
    #[error(transparent)]
    NotItsTurn(#[from] NotItsTurn),
    /// The database refused for the same reason.
    #[error("refused: {0}")]
    Refused(String),
    /// The day's rows are not what its files say.
    #[error("{0}")]
    Differs(String),
    /// A row cannot stand in a file, or the other way round.
    #[error("a row cannot be moved: {0}")]
    Unmovable(String),
    /// The day is not archived, nor has it anything to be.
    #[error("the day {0} is not in the archive, and has no raw events that could be")]
    NoSuchDay(Date),
    /// Another archiver has the turn by now.
    #[error("another archiver has taken over")]
    TurnLost,
}

impl ArchiveError {
    /// Whether another day may succeed all the same.
    #[must_use]
    pub const fn is_of_one_day(&self) -> bool {
        match self {
            Self::Busy
            | Self::NotItsTurn(_)
            | Self::Refused(_)
            | Self::Differs(_)
            | Self::Unmovable(_)
            | Self::NoSuchDay(_)
            | Self::Files(
                FileStoreError::Missing(_)
                | FileStoreError::Damaged { .. }
                | FileStoreError::Unwritable(_),
            ) => true,
            Self::Store(_)
            | Self::TurnLost
            | Self::Files(
                FileStoreError::Unavailable { .. }
                | FileStoreError::Refused { .. }
                | FileStoreError::Interrupted,
            ) => false,
        }
    }
}

/// Why the object store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum FileStoreError {
    /// It cannot be reached, or fails.
    #[error("the object store failed at {path}")]
    Unavailable {
        /// With which object.
        path: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It refuses: a fault of the configuration or of rights.
    #[error("the object store refuses {path}")]
    Refused {
        /// Which object.
        path: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There is no such object.
    #[error("{0} is not in the object store")]
    Missing(String),
    /// The object is not what was written.
    #[error("{path} is damaged: {what}")]
    Damaged {
        /// Which object.
        path: String,
        /// How.
        what: String,
    },
    /// The rows ended early.
    #[error("the rows ended early")]
    Interrupted,
    /// A row does not fit into a file.
    #[error("a row does not fit into a file: {0}")]
    Unwritable(String),
}

/// The turn of one archiver among all; it ends soon after this is dropped.
#[async_trait]
pub trait Turn: Send + Sync {
    /// Fails with [`ArchiveError::TurnLost`] unless it is still its turn.
    async fn still(&mut self) -> Result<(), ArchiveError>;

    /// Ends it now.
    async fn end(self: Box<Self>);
}

/// Which days are to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// Days before this one are past their age.
    pub before: Date,
    /// Restored days leave that were to stay until before this one.
    pub today: Date,
    /// Late events of a day wait until it has been at rest since then.
    pub at_rest_since: OffsetDateTime,
}

/// The days on their way out.
#[async_trait]
pub trait ArchiveStore: Send + Sync {
    /// The turn, unless another archiver has it.
    async fn turn(&self) -> Result<Option<Box<dyn Turn>>, ArchiveError>;

    /// Which days are due: past their age with a partition, late events, or the end of their
    /// stay. In order; nothing is changed.
    async fn due(&self, due: Due) -> Result<Vec<Date>, ArchiveError>;

    /// Has a day leave: begins its first or next edition. Must return [`ArchiveError::NotItsTurn`]
    /// for a day that is on its way, and [`ArchiveError::NoSuchDay`] for one that is not over or
    /// has no events.
    async fn plan(&self, day: Date) -> Result<(), ArchiveError>;

    /// All days with something to do, to be swept, or failed, in order.
    async fn open_days(&self) -> Result<Vec<ArchiveDay>, ArchiveError>;

    /// A day, if it is or was on its way.
    async fn find(&self, day: Date) -> Result<Option<ArchiveDay>, ArchiveError>;

    /// How many days stand where.
    async fn summary(&self) -> Result<ArchiveSummary, ArchiveError>;

    /// Planned to detached. Must return [`ArchiveError::Busy`] rather than hold others up.
    async fn detach(&self, day: Date) -> Result<(), ArchiveError>;

    /// Sends what leaves of a day; how many rows.
    async fn rows(&self, day: Date, out: RowsOut) -> Result<i64, ArchiveError>;

    /// Detached to exported: these are all files of the edition.
    async fn exported(&self, day: &ArchiveDay, files: &[FileFacts]) -> Result<(), ArchiveError>;

    /// Files of a day, by their parts.
    async fn files(&self, day: &ArchiveDay, which: Files) -> Result<Vec<FileFacts>, ArchiveError>;

    /// Counts the rows of a day.
    async fn count(&self, day: Date) -> Result<DayCount, ArchiveError>;

    /// Exported to verified.
    async fn verified(&self, day: &ArchiveDay) -> Result<(), ArchiveError>;

    /// To failed.
    async fn differed(&self, day: &ArchiveDay, reason: &str) -> Result<(), ArchiveError>;

    /// Verified to dropped. Must return [`ArchiveError::Differs`] and change nothing unless the
    /// verified files have as many rows as are dropped.
    async fn drop_rows(&self, day: Date) -> Result<(), ArchiveError>;

    /// Failed to detached.
    async fn retried(&self, day: Date) -> Result<(), ArchiveError>;

    /// The paths of all files of a day, and whether the store was swept of others since they
    /// changed.
    async fn paths(&self, day: Date) -> Result<(BTreeSet<String>, bool), ArchiveError>;

    /// The store has no other objects of the day.
    async fn swept(&self, day: Date) -> Result<(), ArchiveError>;
}

/// Days on their way back.
#[async_trait]
pub trait ReturnStore: Send + Sync {
    /// What was set aside and not dropped goes back: to its day, or into quarantine where older
    /// files have the rest of it. Where the day stands then.
    async fn give_back(&self, day: Date, until: Option<Date>) -> Result<DayState, ArchiveError>;

    /// Begins loading, with nothing; the day stays until after `until`, once it is there.
    async fn return_begin(&self, day: Date, until: Option<Date>) -> Result<(), ArchiveError>;

    /// Loads rows; how many.
    async fn load(&self, day: Date, rows: RowsIn) -> Result<i64, ArchiveError>;

    /// Has the loaded rows answer in place of the files. Must return [`ArchiveError::Differs`] and
    /// change nothing unless they are as many.
    async fn return_finish(&self, day: Date) -> Result<(), ArchiveError>;

    /// Gives up loading; the files answer as before.
    async fn return_abandon(&self, day: Date) -> Result<(), ArchiveError>;

    /// Keeps a restored day for longer or shorter.
    async fn keep_until(&self, day: Date, until: Option<Date>) -> Result<(), ArchiveError>;
}

/// The files of days, in an object store.
#[async_trait]
pub trait FileStore: Send + Sync {
    /// Writes the rows into the files of a day's edition; an object is there whole or not at all.
    async fn write(&self, day: &ArchiveDay, rows: RowsIn)
    -> Result<Vec<FileFacts>, FileStoreError>;

    /// Reads a file whole, and what it has; its rows go out too, if somebody wants them. Must
    /// return [`FileStoreError::Damaged`] for one that is not `bytes` long.
    async fn read(
        &self,
        file: &FileFacts,
        out: Option<RowsOut>,
    ) -> Result<FileFacts, FileStoreError>;

    /// Deletes all objects below `prefix` but those; how many.
    async fn sweep(&self, prefix: &str, keep: &BTreeSet<String>) -> Result<u64, FileStoreError>;

    /// Writes, reads and deletes an object, to see whether that can be done.
    async fn probe(&self) -> Result<(), FileStoreError>;
}

/// The days as the use case holds them.
pub type Archives = Arc<dyn ArchiveStore>;
/// The way back as the use case holds it.
pub type Returns = Arc<dyn ReturnStore>;
/// The files as the use cases hold them.
pub type EventFiles = Arc<dyn FileStore>;
