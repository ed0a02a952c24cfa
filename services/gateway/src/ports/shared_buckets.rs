//! The buckets that all gateways share.

use async_trait::async_trait;

use crate::domain::gcra::Quota;

/// One bucket that a request is charged to.
#[derive(Debug, Clone)]
pub struct SharedBucket {
    /// Its name. All buckets of one request have the same part in braces, so that a cluster keeps
    /// them in one place.
    pub key: String,
    /// What it holds.
    pub quota: Quota,
    /// How many requests are to be charged.
    pub cost: u32,
    /// What this process remembers of it.
    pub memory: Memory,
}

/// What a process remembers of a bucket, so that the bucket can be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// What the bucket said itself, on its own clock; 0 for nothing. It counts if the bucket is
    /// gone. If it is not, the fuller of the two counts, unless buckets of its kind are emptied.
    Told {
        /// When all will have been given back.
        tat_us: u64,
        /// Whether somebody may have emptied the bucket since.
        is_emptied: bool,
    },
    /// There were charges that the bucket does not know of: the fuller of the two counts.
    Ahead {
        /// How long until all will have been given back.
        backlog_us: u64,
    },
}

/// A bucket before a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shared {
    /// How long until all will have been given back.
    pub backlog_us: u64,
    /// When that is, on the clock of the bucket.
    pub tat_us: u64,
}

/// The buckets cannot be asked, or not in time. The charge may have been made nevertheless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the shared buckets cannot be asked")]
pub struct NotShared;

/// Buckets outside of this process.
#[async_trait]
pub trait SharedBuckets: Send + Sync {
    /// Charges all buckets or, if one of them has no room, none. Returns each as it was
    /// before, in the given order. By their backlogs, [`Quota::charge`] tells whether the request
    /// was admitted.
    ///
    /// # Errors
    /// [`NotShared`], within the time that a decision may take: it never waits for a connection.
    async fn charge(&self, buckets: &[SharedBucket]) -> Result<Vec<Shared>, NotShared>;

    /// Empties the buckets: also those of them that others remember.
    ///
    /// # Errors
    /// [`NotShared`], as for a charge.
    async fn empty(&self, buckets: &[SharedBucket]) -> Result<(), NotShared>;

    /// How many processes share the buckets, as far as is known; 1 at least.
    fn instances(&self) -> u32;
}
