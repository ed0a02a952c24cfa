//! What the service needs from the outside. One store method is one atomic write of whole shipment
//! documents with their pending messages, so that a document store can be a second adapter.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;
use tradepost_messaging::Message;
use tradepost_postgres::DbError;
use tradepost_types::{Currency, OrderId, ShipmentId, TenantId};

use crate::domain::{Address, Details, News, Quote, RateError, Shipment, State};

/// Which shipment a change is about, and what brought it.
#[derive(Debug, Clone)]
pub struct Target {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub id: ShipmentId,
    /// The message that asks for the change.
    pub cause: Message,
}

/// A shipment after a change.
#[derive(Debug, Clone)]
pub struct Decision {
    /// The whole document.
    pub shipment: Shipment,
    /// What the order is told.
    pub news: Vec<News>,
    /// When the carrier's clock looks at it next, counted from now; never, if none.
    pub due_after: Option<Duration>,
}

/// Decides the change with this index, given the stored shipment and the store's clock; `None`
/// leaves the shipment as it is. It may be called more than once for one change, when a transaction
/// is tried again.
pub type Decide<'a> =
    &'a (dyn Fn(usize, Option<Shipment>, OffsetDateTime) -> Option<Decision> + Send + Sync);

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
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] DbError),
}

/// The key of a mutating call: its id and what it asked for.
#[derive(Debug, Clone)]
pub struct RequestKey {
    /// The caller's id of the call.
    pub id: String,
    /// The digest of the request.
    pub fingerprint: [u8; 32],
}

/// The shipments.
#[async_trait]
pub trait ShipmentStore: Send + Sync {
    /// Changes every target whose message was never handled, in the order given; several targets
    /// may be one shipment. Must have no effect when it fails.
    async fn change(&self, targets: &[Target], decide: Decide<'_>) -> Result<(), StoreError>;

    /// Changes up to `limit` shipments that are due by the store's clock; several processes may do
    /// so at once. Returns how many.
    async fn advance_due(&self, limit: i64, decide: Decide<'_>) -> Result<usize, StoreError>;

    /// Applies a carrier's report once by its key. Must return [`StoreError::NotFound`],
    /// [`StoreError::Illegal`] or [`StoreError::RequestIdReused`].
    async fn report(
        &self,
        tenant: TenantId,
        id: ShipmentId,
        key: &RequestKey,
        update: crate::domain::Update,
    ) -> Result<Stored, StoreError>;

    /// The shipment, if this tenant has it.
    async fn find(&self, tenant: TenantId, id: ShipmentId) -> Result<Option<Stored>, StoreError>;
}

/// What is to be carried.
#[derive(Debug, Clone)]
pub struct Parcel {
    /// The shipment; a carrier gives the same label for the same id.
    pub id: ShipmentId,
    /// The order.
    pub order: OrderId,
    /// Where it goes.
    pub destination: Address,
    /// The weight.
    pub weight_grams: i64,
    /// The currency of the cost.
    pub currency: Currency,
}

/// A company that carries parcels.
#[async_trait]
pub trait Carrier: Send + Sync {
    /// What it would cost. Must return [`RateError`].
    fn quote(&self, country: &str, grams: i64, currency: Currency) -> Result<Quote, RateError>;

    /// Books a parcel; asked again for the same shipment it gives the same label. Must return
    /// [`RateError`] when it does not take the parcel.
    async fn book(&self, parcel: &Parcel) -> Result<Details, RateError>;

    /// What happens to a parcel next, and after how long; nothing for one that has ended.
    fn next(&self, shipment: &Shipment) -> Option<(State, Duration)>;
}

/// A store as the use cases hold it.
pub type Shipments = Arc<dyn ShipmentStore>;
/// A carrier as the use cases hold it.
pub type AnyCarrier = Arc<dyn Carrier>;
