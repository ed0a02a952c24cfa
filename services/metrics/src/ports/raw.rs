//! Single events and sums of one tenant as they are at one moment, wherever they lie.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tradepost_types::TenantId;

use super::{EventsQuestion, StoreError, StoredEvent, Sum, SumsQuestion};
use crate::domain::{EventType, Range};

/// In which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// By time and number, the newest first.
    NewestFirst,
    /// The other way round.
    OldestFirst,
}

/// A file that has events of a tenant which are nowhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivedFile {
    /// Where it lies, below the archive's URL.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Events of the tenant in it.
    pub rows: u64,
    /// The earliest moment in it, of whatever tenant, in milliseconds since 1970.
    pub first_ms: i64,
    /// The latest.
    pub last_ms: i64,
}

/// Where moments are cut.
#[async_trait]
pub trait RawStore: Send + Sync {
    /// Begins to read a tenant's things as they are now. The cut ends when it is dropped, or when
    /// nothing was asked of it for `idle_max`.
    async fn cut(&self, tenant: TenantId, idle_max: Duration) -> Result<Box<dyn Cut>, StoreError>;
}

/// One moment of one tenant. This is one transaction, however many questions are asked of it: all
/// answers are of the same moment, and no event changes its place between them.
#[async_trait]
pub trait Cut: Send {
    /// Single events that are in the database: also those that wait for a partition, and those
    /// that are on their way to the archive.
    async fn events(
        &mut self,
        question: &EventsQuestion,
        order: Order,
    ) -> Result<Vec<StoredEvent>, StoreError>;

    /// The archived files that have events of the tenant and may have some of the range, at most
    /// `limit`.
    async fn files(&mut self, range: Range, limit: i64) -> Result<Vec<ArchivedFile>, StoreError>;

    /// Sums, the oldest first, then by event type.
    async fn sums(&mut self, question: &SumsQuestion) -> Result<Vec<Sum>, StoreError>;

    /// How many sums a question is about, counted up to its limit.
    async fn sums_count(&mut self, question: &SumsQuestion) -> Result<u64, StoreError>;

    /// How many events the full days of a range have, by their sums.
    async fn events_count(
        &mut self,
        range: Range,
        event_type: Option<&EventType>,
    ) -> Result<u64, StoreError>;
}

/// Why the archive did not answer.
#[derive(Debug, thiserror::Error)]
#[error("the archived file {path} cannot be read")]
pub struct ArchiveReadError {
    /// Which file.
    pub path: String,
    /// Why.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// Which events of a file are wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct FileQuestion {
    /// Whose.
    pub tenant: TenantId,
    /// Of when.
    pub range: Range,
    /// Of this event type; none: of any.
    pub event_type: Option<EventType>,
    /// In which order.
    pub order: Order,
}

/// The files of the archive.
#[async_trait]
pub trait ArchiveFiles: Send + Sync {
    /// Begins to read a file; nothing is fetched until events are asked for.
    fn read(&self, file: &ArchivedFile, question: &FileQuestion) -> Box<dyn ArchivedEvents>;
}

/// Events out of a file.
#[async_trait]
pub trait ArchivedEvents: Send {
    /// Some more events, in order; none is the end. Fetches little more than what it returns. Must
    /// return [`ArchiveReadError`] rather than fewer events than there are.
    async fn more(&mut self) -> Result<Option<Vec<StoredEvent>>, ArchiveReadError>;
}

/// Moments as the use cases hold them.
pub type RawEvents = Arc<dyn RawStore>;
/// The archive as the use cases hold it.
pub type Archived = Arc<dyn ArchiveFiles>;
