//! What is remembered of calls.

use async_trait::async_trait;

use super::Unavailable;
use crate::domain::audit::Entry;

/// The audit trail, for calls that go to a service and for those that are denied.
#[async_trait]
pub trait Trail: Send + Sync {
    /// Remembers; when it returns, the entry is durable.
    ///
    /// # Errors
    /// [`Unavailable`] when it cannot be remembered: what was to be done then must not be.
    async fn record(&self, entry: Entry) -> Result<(), Unavailable>;
}
