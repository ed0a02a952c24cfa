//! What the use cases need from outside.

mod shared_buckets;

pub use shared_buckets::{NotShared, SharedBucket, SharedBuckets};
