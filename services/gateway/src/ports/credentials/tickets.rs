//! Tickets for connections.

use async_trait::async_trait;
use time::OffsetDateTime;
use tradepost_types::TenantId;

use crate::domain::caller::Verified;
use crate::ports::identity::StoreError;

/// Keeps tickets.
#[async_trait]
pub trait TicketStore: Send + Sync {
    /// Keeps a ticket for its half minute; answers when it runs out.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn keep(
        &self,
        hash: &[u8; 32],
        tenant: TenantId,
        verified: &Verified,
    ) -> Result<OffsetDateTime, StoreError>;

    /// Takes a ticket: of many who try, at whichever process, one gets what it stands for. `None`
    /// when there is none, it was taken, or it ran out.
    ///
    /// # Errors
    /// [`StoreError`]; the ticket may be gone then.
    async fn take(&self, hash: &[u8; 32]) -> Result<Option<Verified>, StoreError>;
}
