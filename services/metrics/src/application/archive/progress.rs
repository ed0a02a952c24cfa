//! How far it is, for operators and the log.

use std::fmt;

use time::Date;

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// A partition was set aside.
    Detached(Date),
    /// So many files were written, of so many rows and bytes.
    Exported(Date, usize, i64, i64),
    /// They were read back and are right.
    Verified(Date),
    /// The partition was dropped.
    Dropped(Date),
    /// What was read back is not right.
    Differed(Date, String),
    /// It failed before, and stands there.
    Failed(Date, String),
    /// So many objects that no manifest has were deleted.
    Swept(Date, u64),
    /// So many rows were loaded.
    Loaded(Date, i64),
    /// It has its partition again, until then.
    Restored(Date, Option<Date>),
}

impl Progress {
    /// Logs it.
    pub(super) fn log(&self) {
        match self {
            Self::Detached(_)
            | Self::Exported(..)
            | Self::Verified(_)
            | Self::Dropped(_)
            | Self::Loaded(..)
            | Self::Restored(..) => {
                tracing::info!(event = "metrics.archived", "{self}");
            }
            Self::Swept(..) => tracing::debug!(event = "metrics.archive_swept", "{self}"),
            Self::Differed(..) => {
                tracing::error!(event = "metrics.archive_differs", "{self}");
            }
            // Logged as an error when it failed, and in a gauge since.
            Self::Failed(..) => tracing::warn!(event = "metrics.archive_stuck", "{self}"),
        }
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Detached(day) => write!(f, "{day} is detached"),
            Self::Exported(day, files, rows, bytes) => {
                write!(
                    f,
                    "{day} is exported: {rows} rows, {files} files, {bytes} bytes"
                )
            }
            Self::Verified(day) => write!(f, "{day} is verified"),
            Self::Dropped(day) => write!(f, "{day} is dropped from the database"),
            Self::Differed(day, reason) | Self::Failed(day, reason) => write!(
                f,
                "{day} failed, and nothing of it is dropped: {reason}. Look for the cause, then \
                 `metrics archive retry {day}` exports it anew, or `metrics restore {day}` takes \
                 it back"
            ),
            Self::Swept(day, gone) => write!(f, "{day}: {gone} other objects are deleted"),
            Self::Loaded(day, rows) => write!(f, "{day} is loaded: {rows} rows"),
            Self::Restored(day, Some(until)) => write!(f, "{day} is restored, until after {until}"),
            Self::Restored(day, None) => {
                write!(f, "{day} is restored, until `metrics archive run {day}`")
            }
        }
    }
}
