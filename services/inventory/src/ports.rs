//! What the service needs from the outside. One method is one transaction.

use std::sync::Arc;

use async_trait::async_trait;
use tradepost_messaging::Message;
use tradepost_postgres::DbError;
use tradepost_types::{Money, ReservationId, Sku, TenantId};

use crate::domain::{Command, Item, Movement, MovementKind, Refusal, Reservation, Stock};

/// A command with the message that brought it.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The message; the inbox knows it by its id.
    pub cause: Message,
    /// What it asks.
    pub command: Command,
}

/// What a batch led to, for the metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Handled {
    /// Reservations that are held now.
    pub held: u64,
    /// Reservations that could not be held.
    pub rejected: u64,
    /// Reservations that were sold.
    pub committed: u64,
    /// Reservations that were given back.
    pub released: u64,
    /// Reservations that ran out.
    pub expired: u64,
}

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The same request id came with another request.
    #[error("the request id was used for another request")]
    RequestIdReused,
    /// There is no such item for this tenant.
    #[error("there is no such item")]
    ItemNotFound,
    /// An existing item has another currency.
    #[error("the item has another currency")]
    CurrencyChanged,
    /// The stock does not allow it.
    #[error("the stock does not allow it")]
    Stock(Refusal),
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

/// A catalogue entry as a caller gives it.
#[derive(Debug, Clone)]
pub struct NewItem {
    /// The shop's own name of it.
    pub sku: Sku,
    /// What people read.
    pub name: String,
    /// The list price of one unit.
    pub price: Money,
    /// The weight of one unit.
    pub weight_grams: i64,
    /// Whether it can be ordered.
    pub active: bool,
}

/// A movement as an operator gives it.
#[derive(Debug, Clone)]
pub struct NewMovement {
    /// The item.
    pub sku: Sku,
    /// Why.
    pub kind: MovementKind,
    /// The signed change of `on_hand`.
    pub delta: i64,
    /// Why, in words.
    pub reference: String,
}

/// The reservations and the stock they hold.
#[async_trait]
pub trait ReservationStore: Send + Sync {
    /// Carries out every command that was never carried out before, in the order given, and
    /// appends the answers to the outbox. Must return [`StoreError::Database`] and have no effect
    /// when the transaction fails.
    async fn carry_out(&self, batch: &[Asked]) -> Result<Handled, StoreError>;

    /// Ends up to `limit` reservations whose time is up by the database's clock; several
    /// processes may do so at once.
    async fn expire_due(&self, limit: i64) -> Result<Handled, StoreError>;

    /// The reservation, if this tenant has it, with when it was asked for and last changed.
    async fn find(
        &self,
        tenant: TenantId,
        id: ReservationId,
    ) -> Result<Option<StoredReservation>, StoreError>;
}

/// A reservation with its times.
#[derive(Debug, Clone)]
pub struct StoredReservation {
    /// The reservation.
    pub reservation: Reservation,
    /// When it was asked for.
    pub created_at: time::OffsetDateTime,
    /// When it last changed.
    pub updated_at: time::OffsetDateTime,
}

/// The catalogue and what operators do to the stock.
#[async_trait]
pub trait CatalogueStore: Send + Sync {
    /// Creates or replaces an entry; the flag says whether it was created. Must return
    /// [`StoreError::CurrencyChanged`] or [`StoreError::RequestIdReused`].
    async fn put(
        &self,
        tenant: TenantId,
        key: &RequestKey,
        item: NewItem,
    ) -> Result<(Item, bool), StoreError>;

    /// The items that exist of these, in SKU order.
    async fn get_many(&self, tenant: TenantId, skus: &[Sku]) -> Result<Vec<Item>, StoreError>;

    /// Up to `limit` items after the SKU `after` whose SKU starts with `prefix`, in SKU order.
    async fn list(
        &self,
        tenant: TenantId,
        prefix: &str,
        after: Option<&str>,
        limit: i64,
    ) -> Result<Vec<Item>, StoreError>;

    /// Records a movement. Must return [`StoreError::ItemNotFound`], [`StoreError::Stock`] or
    /// [`StoreError::RequestIdReused`].
    async fn record(
        &self,
        tenant: TenantId,
        key: &RequestKey,
        movement: NewMovement,
    ) -> Result<(Movement, Stock), StoreError>;

    /// Up to `limit` movements of an item before the id `before`, newest first. Must return
    /// [`StoreError::ItemNotFound`].
    async fn movements(
        &self,
        tenant: TenantId,
        sku: &Sku,
        before: Option<uuid::Uuid>,
        limit: i64,
    ) -> Result<Vec<Movement>, StoreError>;
}

/// A store as the use cases hold it.
pub type Reservations = Arc<dyn ReservationStore>;
/// A catalogue as the use cases hold it.
pub type Catalogue = Arc<dyn CatalogueStore>;
