//! Rows as a file for somebody to take away.

use std::sync::Arc;

use tradepost_types::TenantId;

use super::{StoredEvent, Sum};

/// What a sheet is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SheetKind {
    /// RFC 4180.
    Csv,
    /// Apache Parquet.
    Parquet,
}

/// Why a sheet was not written.
#[derive(Debug, thiserror::Error)]
#[error("the file cannot be written")]
pub struct SheetError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// A file of rows `T` that is being written, the oldest first. It keeps what it has written until
/// that is taken, and of what it has not a bounded number of rows.
pub trait Sheet<T>: Send {
    /// Writes rows. Must return [`SheetError`] where one cannot stand in the file.
    fn write(&mut self, rows: &[T]) -> Result<(), SheetError>;

    /// What was written since it was last taken; it may be nothing.
    fn take(&mut self) -> Vec<u8>;

    /// Writes the end of the file, and what is left of it.
    fn finish(self: Box<Self>) -> Result<Vec<u8>, SheetError>;
}

/// Begins sheets.
pub trait SheetMaker: Send + Sync {
    /// A file of single events of one tenant.
    fn events(
        &self,
        kind: SheetKind,
        tenant: TenantId,
    ) -> Result<Box<dyn Sheet<StoredEvent>>, SheetError>;

    /// A file of sums.
    fn sums(&self, kind: SheetKind) -> Result<Box<dyn Sheet<Sum>>, SheetError>;
}

/// Sheets as the use cases hold them.
pub type Sheets = Arc<dyn SheetMaker>;
