//! The shipments, kept. No type of a database stands here and nothing needs a transaction over two
//! shipments: a store of documents can be an adapter as well as one of rows.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;
use tradepost_messaging::Message;
use tradepost_types::{ShipmentId, TenantId};

use super::BoxError;
use crate::domain::{News, Shipment, State};

/// Which shipment a change is about, and what brought it.
#[derive(Debug, Clone)]
pub struct Target {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub id: ShipmentId,
    /// The message that asks for the change, which has an effect once; none for what this process
    /// found out by itself.
    pub cause: Option<Message>,
}

/// A shipment after a change.
#[derive(Debug, Clone)]
pub struct Decision {
    /// The whole document.
    pub shipment: Shipment,
    /// What the order is told.
    pub news: Vec<News>,
    /// When the clock looks at it next.
    pub due: Due,
}

/// When the clock looks at a shipment next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// When it would have anyway; never, for a new one.
    AsBefore,
    /// After this time from now, by the store's clock.
    After(Duration),
    /// Never, unless something else changes it.
    Never,
}

/// Decides the change of the target with this index, given the stored shipment and the store's
/// clock; `None` leaves the shipment as it is. It may be called more than once for one change, when
/// a write lost against another and is tried again.
pub type Decide<'a> =
    &'a (dyn Fn(usize, Option<Shipment>, OffsetDateTime) -> Option<Decision> + Send + Sync);

/// Judges a report on the stored shipment; an error names the state that it cannot follow.
pub type Judge<'a> = &'a (dyn Fn(Shipment) -> Result<Decision, State> + Send + Sync);

/// A stored shipment with its times.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The shipment.
    pub shipment: Shipment,
    /// When it was asked for.
    pub created_at: OffsetDateTime,
    /// When it last changed.
    pub updated_at: OffsetDateTime,
}

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The same request id came with another request.
    #[error("the request id was used for another request")]
    RequestIdReused,
    /// There is no such shipment for this tenant.
    #[error("there is no such shipment")]
    NotFound,
    /// The report cannot follow what is known.
    #[error("a parcel that is {} cannot become that", .from.name())]
    Illegal {
        /// Where the parcel stands.
        from: State,
    },
    /// Another shipment of the order is not voided.
    #[error("another parcel goes out for the order")]
    OrderHasShipment,
    /// The write lost against others too often: nothing of it happened, try again at once.
    #[error("the shipment is being changed by others")]
    Contended(#[source] BoxError),
    /// The store cannot be reached, or broke off before it answered: it may have happened. Try
    /// again later with the same message or request id.
    #[error("the store is unavailable")]
    Unavailable(#[source] BoxError),
    /// A fault in a query or in a stored document, which no repetition mends.
    #[error("the store is at fault")]
    Broken(#[source] BoxError),
}

/// The key of a mutating call: its id and what it asked for.
#[derive(Debug, Clone)]
pub struct RequestKey {
    /// The caller's id of the call.
    pub id: String,
    /// The digest of the request.
    pub fingerprint: [u8; 32],
}

/// The shipments. A change of one shipment is one atomic write: the document, the messages that
/// tell of it, and the mark of the message or request that brought it. At most one shipment of an
/// order is not voided; a write against that returns [`StoreError::OrderHasShipment`].
#[async_trait]
pub trait ShipmentStore: Send + Sync {
    /// Changes the shipments of every target whose message was never handled; several targets may
    /// be one shipment, and then their order counts. Shipments are written together or one by one:
    /// after an error each was changed whole or not at all, and the same call again does the rest.
    async fn change(&self, targets: &[Target], decide: Decide<'_>) -> Result<(), StoreError>;

    /// Changes up to `limit` shipments that are due by the store's clock; several processes may do
    /// so at once, and a shipment is due for one of them. Returns those it changed, as they are now.
    async fn advance_due(
        &self,
        limit: i64,
        decide: Decide<'_>,
    ) -> Result<Vec<Shipment>, StoreError>;

    /// Returns once a shipment may be due: when [`ShipmentStore::advance_due`] should be called
    /// again. What another process wrote since it was called need not be known.
    async fn due(&self);

    /// Changes a shipment once by the request's key and returns it as it is now. Must return
    /// [`StoreError::NotFound`], [`StoreError::Illegal`] as judged, or
    /// [`StoreError::RequestIdReused`] when the tenant used the key for anything else, and then
    /// stores nothing.
    async fn report(
        &self,
        tenant: TenantId,
        id: ShipmentId,
        key: &RequestKey,
        judge: Judge<'_>,
    ) -> Result<Stored, StoreError>;

    /// The shipment, if this tenant has it.
    async fn find(&self, tenant: TenantId, id: ShipmentId) -> Result<Option<Stored>, StoreError>;
}

/// A store as the use cases hold it.
pub type Shipments = Arc<dyn ShipmentStore>;
