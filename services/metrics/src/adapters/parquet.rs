//! Single events as files: Apache Parquet, sorted by tenant, time and number (ADR 37).
//!
//! A file says what it is by itself: it has names and no numbers, and any reader of Parquet opens
//! it. It is written row by row in that order, and read whole or for one tenant and range; for the
//! latter a few pages of each column are enough, wherever the file lies. It is *not* told who may
//! read it, nor where it is kept.

mod layout;
mod rows;
mod schema;
mod source;
mod writer;

#[cfg(test)]
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};

use parquet::errors::ParquetError;
use tradepost_types::TenantId;

use crate::domain::Range;

pub use layout::{Layout, Opening, Part};
pub use rows::{Block, Blocks, EventReader};
pub use source::Pieces;
pub use writer::{EventWriter, FileFacts, ROWS_PER_GROUP};

/// One event of a file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FileEvent<'a> {
    /// Whose.
    pub tenant: TenantId,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// Its number; with the time it is unique within the tenant.
    pub id: i64,
    /// The event type's name.
    pub event_type: &'a str,
    /// Who; empty: nobody.
    pub user: &'a str,
    /// The number.
    pub value: f64,
}

impl FileEvent<'_> {
    /// By what a file is sorted.
    #[must_use]
    pub const fn key(&self) -> (TenantId, i64, i64) {
        (self.tenant, self.at_ms, self.id)
    }
}

/// Which events of a file are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// All.
    All,
    /// Those of one tenant in a range.
    Of(TenantId, Range),
}

/// Why a file was not written or read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be written, or is damaged: the source says where.
    #[error("the file cannot be written or is damaged")]
    Parquet(#[from] ParquetError),
    /// It is damaged, or not of this form.
    #[error("the file is damaged or of another form: {0}")]
    Damaged(&'static str),
    /// An event came that belongs before the one that was written last.
    #[error("events must come sorted by tenant, time and number")]
    Unsorted,
}

/// Runs what reads foreign bytes. The library means to answer damage with an error; where it
/// panics after all, that is an error too.
fn guarded<T>(read: impl FnOnce() -> Result<T, FileError>) -> Result<T, FileError> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or(Err(FileError::Damaged("it cannot be decoded")))
}
