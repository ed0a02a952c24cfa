//! What the use cases need from outside. One method of the store is one transaction.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use time::OffsetDateTime;
use tradepost_messaging::Message;
use tradepost_types::{OrderId, Sku, TenantId};

use crate::domain::saga::{Ignored, Refusal};
use crate::domain::{CatalogueItem, Input, Line, NewOrder, Order, OrderState, Recorded};

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be had now, or the outcome is unknown: the same call may be made again.
    #[error("the store is unavailable")]
    Unavailable(#[source] tradepost_postgres::DbError),
    /// It lost against concurrent ones, again and again.
    #[error("the store is contended")]
    Contended(#[source] tradepost_postgres::DbError),
    /// A row that this binary cannot read, or a fault in a query.
    #[error("the store is faulty")]
    Faulty(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The key of a mutating call and what must be the same when it is used again.
#[derive(Debug, Clone)]
pub struct RequestKey {
    /// The caller's key.
    pub request_id: String,
    /// The hash of the request without its key.
    pub fingerprint: [u8; 32],
}

/// What came of placing an order.
#[derive(Debug)]
pub enum Placed {
    /// The order as it is now.
    Order {
        /// The order.
        order: Box<Order>,
        /// Its lines.
        lines: Vec<Line>,
        /// Whether an earlier call with the same key created it.
        replayed: bool,
    },
    /// The key was used for another request.
    Mismatch,
}

/// An answer to be applied, and the message it came in.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// The message.
    pub message: Message,
    /// The order it is about.
    pub order: OrderId,
    /// What it says.
    pub input: Input,
}

/// A wish of a person about one order.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Whose order.
    pub tenant: TenantId,
    /// Which one.
    pub order: OrderId,
    /// The name of the call, for its key.
    pub operation: &'static str,
    /// The key of the call.
    pub key: RequestKey,
    /// What is wished.
    pub input: Input,
}

/// Why a wish was not granted.
#[derive(Debug, thiserror::Error)]
pub enum WishError {
    /// The tenant has no such order.
    #[error("there is no such order")]
    NotFound,
    /// The key was used for another request.
    #[error("the request id was used for another request")]
    Mismatch,
    /// The order's state forbids it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A binary that knows the order's saga must do it.
    #[error("the order is driven by a newer version of the saga")]
    UnknownVersion,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a batch was not applied; nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// An order is not there (yet).
    #[error("there is no order {0}")]
    UnknownOrder(OrderId),
    /// A binary that knows the saga must do it.
    #[error("order {order} is driven by version {version} of the saga, which is not known here")]
    UnknownVersion {
        /// The order.
        order: OrderId,
        /// Its version.
        version: i32,
    },
    /// An answer contradicts the order's history.
    #[error("the answer contradicts the history of order {0}")]
    Illegal(OrderId),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What one transaction did, for the metrics.
#[derive(Debug, Default)]
pub struct Applied {
    /// Orders that went from one state to another.
    pub moves: Vec<Move>,
    /// Inputs that had nothing to do, by reason.
    pub ignored: Vec<Ignored>,
    /// How many inputs there were.
    pub inputs: usize,
}

/// One order's way through one input.
#[derive(Debug, Clone)]
pub struct Move {
    /// The order.
    pub order: OrderId,
    /// The state after it.
    pub to: OrderState,
    /// Why it was rejected, if it was.
    pub reject_reason: Option<String>,
    /// How old the order is.
    pub age: time::Duration,
}

/// Which orders a list shows.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// In one of these states; empty for all.
    pub states: Vec<OrderState>,
    /// Of this customer; empty for all.
    pub customer_ref: String,
    /// Accepted at this time or later.
    pub from: Option<OffsetDateTime>,
    /// Accepted before this time.
    pub until: Option<OffsetDateTime>,
}

/// The place of an order in a list: its age, then its id.
pub type Position = (OffsetDateTime, OrderId);

/// Where orders are kept. Every method is one transaction.
#[async_trait]
pub trait OrderStore: Send + Sync {
    /// Keeps a new order with its lines, first event, first command and fact, and the key. A known
    /// key answers with the order as it is now; a concurrent twin waits. MUST return `Contended`
    /// if the twin outlasts the wait.
    async fn place(&self, order: NewOrder, key: RequestKey) -> Result<Placed, StoreError>;

    /// What the key placed before, if it was used; nothing is kept. For calls that could not be
    /// priced again: the repetition of an accepted order is answered whatever became of its items.
    async fn find_placed(
        &self,
        tenant: TenantId,
        key: &RequestKey,
    ) -> Result<Option<Placed>, StoreError>;

    /// Applies many answers at once, each once; all or none. MUST name the first order that is
    /// unknown, driven by an unknown version, or contradicted.
    async fn apply_batch(&self, batch: Vec<Incoming>) -> Result<Applied, BatchError>;

    /// Applies passed deadlines, by the database's clock, of up to `limit` orders that nobody else
    /// works on. Orders of unknown versions are left to other binaries.
    async fn fire_deadlines(&self, limit: i64) -> Result<Applied, StoreError>;

    /// Applies a person's wish once per key.
    async fn wish(&self, wish: Wish) -> Result<(Order, Applied), WishError>;

    /// Finds one order.
    async fn find(&self, tenant: TenantId, id: OrderId) -> Result<Option<Order>, StoreError>;

    /// The lines of one order, in order.
    async fn lines(&self, tenant: TenantId, id: OrderId) -> Result<Vec<Line>, StoreError>;

    /// The history of one order, oldest first; empty if the tenant has no such order.
    async fn events(&self, tenant: TenantId, id: OrderId) -> Result<Vec<Recorded>, StoreError>;

    /// Up to `limit` orders after a position, newest first.
    async fn list(
        &self,
        tenant: TenantId,
        filter: &Filter,
        after: Option<Position>,
        limit: i64,
    ) -> Result<Vec<Order>, StoreError>;

    /// Up to `limit` orders that need attention after a position, oldest first.
    async fn list_stuck(
        &self,
        tenant: TenantId,
        after: Option<Position>,
        limit: i64,
    ) -> Result<Vec<Order>, StoreError>;

    /// The versions of these orders, of all tenants.
    async fn versions(
        &self,
        orders: &[(TenantId, OrderId)],
    ) -> Result<HashMap<OrderId, i64>, StoreError>;

    /// How many live orders are in each state, over all tenants.
    async fn live_by_state(&self) -> Result<HashMap<String, i64>, StoreError>;
}

/// Why the catalogue did not answer.
#[derive(Debug, thiserror::Error)]
#[error("the catalogue is unavailable")]
pub struct CatalogueUnavailable(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// What is on sale.
#[async_trait]
pub trait Catalogue: Send + Sync {
    /// The items that exist among these. MUST fail rather than leave out an item it could not ask
    /// for.
    async fn items(
        &self,
        tenant: TenantId,
        skus: &HashSet<Sku>,
    ) -> Result<HashMap<Sku, CatalogueItem>, CatalogueUnavailable>;
}
