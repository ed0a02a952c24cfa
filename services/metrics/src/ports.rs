//! What the service needs from the outside. One method is one transaction.

mod answers;
mod archive;
mod books;
mod observer;
mod raw;
mod reports;
mod sheets;
mod snapshots;

use std::sync::Arc;

use async_trait::async_trait;
use time::Date;
use tradepost_postgres::DbError;
use tradepost_types::TenantId;

use crate::domain::{BatchName, EventType, Kept};
use crate::rollup::TypeId;

pub use answers::{Claim, Days, Scope, Shared, SharedAnswers, Version, VersionStore, Versions};
pub use archive::{
    ArchiveError, ArchiveStore, ArchiveSummary, Archives, DayCount, Due, EventFiles, FileFacts,
    FileStore, FileStoreError, Files, ReturnStore, Returns, RowsIn, RowsOut, TenantCount, Turn,
};
pub use books::{BookStore, Books, Rebuilt, TenantDay};
pub use observer::{Observed, Observer};
pub use raw::{
    ArchiveFiles, ArchiveReadError, Archived, ArchivedEvents, ArchivedFile, Cut, FileQuestion,
    Order, RawEvents, RawStore,
};
pub use reports::{
    DailyLine, DailyQuestion, EventsQuestion, Measure, NamedType, PlanQuestion, PlanSums,
    PlanWhole, PlanWholeQuestion, ReportStore, Reports, StoredEvent, Sum, SumsQuestion, TopLine,
    TypesQuestion, Whose,
};

pub use sheets::{Sheet, SheetError, SheetKind, SheetMaker, Sheets};
pub use snapshots::{SnapshotStore, SnapshotStoreError, Snapshots};

/// An event of a batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Event {
    /// When it happened, in milliseconds since 1970.
    pub at_ms: i64,
    /// The number: finite, and at most 1e100 in magnitude.
    pub value: f64,
    /// Its place in the batch as it was sent, from 0.
    pub place: u16,
    /// The place of its type in [`Batch::types`].
    pub event_type: u16,
    /// The place of its user in [`Batch::users`].
    pub user: u16,
}

/// Good events of one tenant that count together, once.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Whose.
    pub tenant: TenantId,
    /// What it is called within its tenant.
    pub name: BatchName,
    /// Which types its events have, each once.
    pub types: Vec<EventType>,
    /// Which users; an empty one is nobody.
    pub users: Vec<Box<str>>,
    /// The events.
    pub events: Vec<Event>,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is committed.
    Stored {
        /// Events that count as the overflow type.
        overflowed: u32,
        /// Events of days without a partition.
        quarantined: u32,
    },
    /// It had been before.
    Duplicate,
    /// Its key had come with another content before; nothing of it was stored.
    KeyReused,
}

/// What the store is told of limits.
#[derive(Debug, Clone, Copy)]
pub struct StoreLimits {
    /// The most event types of a tenant; more count as the overflow type.
    pub event_types_max: TypeId,
    /// For how long sums are kept.
    pub kept: Kept,
    /// For how many days it is known which batches were stored.
    pub ledger_kept_days: u16,
    /// Events from longer ago than so many days are refused.
    pub history_days: u16,
}

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] DbError),
}

impl StoreError {
    /// The same failure for another batch of the same transaction.
    #[must_use]
    pub fn alike(&self) -> Self {
        match self {
            Self::Database(error) => Self::Database(error.alike()),
        }
    }

    /// Whether it was too much for the time that the database gives a statement.
    #[must_use]
    pub fn is_statement_timeout(&self) -> bool {
        match self {
            Self::Database(error) => error.is_statement_timeout(),
        }
    }

    /// Whether one batch may be at fault, so that the others would succeed without it. Locks that
    /// others held for too long are the fault of none.
    #[must_use]
    pub fn may_be_of_one(&self) -> bool {
        match self {
            Self::Database(DbError::SerializationFailure(_)) => false,
            Self::Database(error) => error.may_be_of_one(),
        }
    }
}

/// Where events and their rollups are kept.
#[async_trait]
pub trait EventStore: Send + Sync {
    /// Stores the batches that were never stored before, with their rollups, and answers each in
    /// the order given. All of it happens or nothing; must return [`StoreError::Database`] for
    /// nothing. (That an event type is known may outlast a failure or a refusal; it has no
    /// effect.)
    async fn store(&self, group: &[Arc<Batch>]) -> Result<Vec<Outcome>, StoreError>;
}

/// What keeps the store in order.
#[async_trait]
pub trait UpkeepStore: Send + Sync {
    /// Makes the partitions that are missing of these days; how many.
    async fn prepare(&self, first: Date, last: Date) -> Result<u32, StoreError>;

    /// Moves up to `limit` events out of quarantine whose day has a partition by now; how many.
    async fn release(&self, limit: i64) -> Result<u64, StoreError>;

    /// Forgets up to `limit` rows of each kind that are past their age: minutes, hours, and batches
    /// that nobody will send again; how many in all. What is forgotten of a producer's batches, and
    /// whatever it numbered lower, counts as sent before from then on: until the last of those
    /// batches is older than events may be, since from then on all that could be in them is refused.
    async fn forget(&self, limit: i64) -> Result<u64, StoreError>;

    /// How many events are in quarantine.
    async fn quarantined(&self) -> Result<u64, StoreError>;
}

/// A store as the use cases hold it.
pub type Events = Arc<dyn EventStore>;
/// The upkeep as its use case holds it.
pub type Upkeeper = Arc<dyn UpkeepStore>;
