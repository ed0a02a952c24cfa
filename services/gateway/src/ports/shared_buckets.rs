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
    /// How full this process remembers it to be: what counts when the bucket itself is lost.
    pub remembered_us: u64,
    /// Whether the memory knows of charges that the bucket does not, so that the fuller one counts.
    pub is_behind: bool,
}

/// The buckets cannot be asked, or not in time. The charge may have been made nevertheless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the shared buckets cannot be asked")]
pub struct NotShared;

/// Buckets outside of this process.
#[async_trait]
pub trait SharedBuckets: Send + Sync {
    /// Charges all buckets or, if one of them has no room, none. Returns the backlog of each
    /// before the charge, in microseconds, in the given order. By them, [`Quota::charge`] tells
    /// whether the request was admitted.
    ///
    /// # Errors
    /// [`NotShared`], within the time that a decision may take: it never waits for a connection.
    async fn charge(&self, buckets: &[SharedBucket]) -> Result<Vec<u64>, NotShared>;

    /// Empties the buckets: also those of them that others remember.
    ///
    /// # Errors
    /// [`NotShared`], as for a charge.
    async fn empty(&self, buckets: &[SharedBucket]) -> Result<(), NotShared>;

    /// How many processes share the buckets, as far as is known; 1 at least.
    fn instances(&self) -> u32;
}
