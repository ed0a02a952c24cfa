//! Who else wants to know what was stored.

use std::sync::Arc;

use super::Batch;

/// Is told of each batch that was stored: once, after its commit and before its receipt leaves, by
/// the process that stored it. It must be quick, for the writer waits. Nobody is told if the process
/// dies between the two, nor of duplicates.
pub trait Observer: Send + Sync {
    /// This batch was stored now.
    fn stored(&self, batch: &Batch);
}

/// Nobody wants to know.
impl Observer for () {
    fn stored(&self, _batch: &Batch) {}
}

/// An observer as the writers hold it.
pub type Observed = Arc<dyn Observer>;
