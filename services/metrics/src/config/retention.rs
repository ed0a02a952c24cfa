//! The archive of raw events.

use std::time::Duration;

use garde::Validate;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::application::ArchiveLimits;

/// Sixteen groups of Parquet.
const FILE_ROWS_MAX: i64 = 16 * 131_072;

/// For how long raw events stay in the database, and where they go after that. Sums by the day stay
/// for ever.
#[derive(Debug, Clone, Deserialize, Serialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionConfig {
    /// Where the files go: `file:///folder`, `s3://bucket/prefix` or `gs://bucket/prefix`. Without it
    /// nothing is archived and nothing is dropped. Credentials come from the environment.
    #[garde(inner(custom(is_store_url)))]
    pub store_url: Option<String>,
    /// For how many days raw events stay. More than `analytics.days_behind`.
    #[garde(range(min = 1, max = 3_650))]
    pub keep_days: u16,
    /// For how many days a day that was restored stays, unless the command says another number.
    #[garde(range(min = 1, max = 3_650))]
    pub restore_days: u16,
    /// For how many hours late events of an archived day gather before they get a file of their own.
    #[garde(range(max = 8_760))]
    pub late_hours: u16,
    /// Rows after which a day has another file. A file is in memory when it is read back, at about
    /// eight bytes a row.
    #[garde(range(min = 100, max = 16_777_216))]
    pub file_rows_max: i64,
    /// How often it is looked for days that are due.
    #[garde(range(min = 1, max = 86_400))]
    pub poll_seconds: u64,
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self {
            store_url: None,
            keep_days: 730,
            restore_days: 30,
            late_hours: 24,
            file_rows_max: FILE_ROWS_MAX,
            poll_seconds: 3_600,
        }
    }
}

impl RetentionConfig {
    /// When days leave, and for how long they come back.
    #[must_use]
    pub const fn limits(&self) -> ArchiveLimits {
        ArchiveLimits {
            keep_days: self.keep_days,
            restore_days: self.restore_days,
            late_hours: self.late_hours,
            poll: Duration::from_secs(self.poll_seconds),
        }
    }
}

fn is_store_url(url: &str, _context: &()) -> garde::Result {
    match Url::parse(url) {
        Ok(url) if matches!(url.scheme(), "file" | "s3" | "gs") => Ok(()),
        Ok(url) => Err(garde::Error::new(format!(
            "must start with file://, s3:// or gs://, not {}://",
            url.scheme()
        ))),
        Err(error) => Err(garde::Error::new(format!("is not a URL: {error}"))),
    }
}
