//! Orders in PostgreSQL. Every method is one transaction, with set-based statements.

mod fold;
mod place;
mod read;
mod row;
mod stored;
mod together;

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use tradepost_messaging::Outbox;
use tradepost_postgres::{Database, DbError, Group, RetryableTx, retrying};
use tradepost_types::{OrderId, TenantId};

use self::fold::Saved;
use self::place::Placement;
use crate::application::Changes;
use crate::domain::saga::Definitions;
use crate::domain::{Line, NewOrder, Order, Recorded};
use crate::ports::{
    Applied, BatchError, Filter, Incoming, OrderStore, Placed, Position, RequestKey, StoreError,
    Wish, WishError,
};

/// The service's own tables.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// The consumer's name in the inbox.
pub const CONSUMER: &str = "order.replies";

/// The store.
#[derive(Debug)]
pub struct PgOrders {
    database: Database,
    outbox: Outbox,
    definitions: Arc<Definitions>,
    changes: Changes,
    placements: Group<Placement, Result<Placed, StoreError>>,
    look_ups: Group<(TenantId, OrderId), Result<Option<Order>, StoreError>>,
}

impl PgOrders {
    /// A store that drives orders by `definitions` and tells `changes` after every commit.
    #[must_use]
    pub fn new(
        database: Database,
        outbox: Outbox,
        definitions: Arc<Definitions>,
        changes: Changes,
    ) -> Self {
        Self {
            database,
            outbox,
            definitions,
            changes,
            placements: Group::new(together::LIMITS),
            look_ups: Group::new(together::LIMITS),
        }
    }

    /// After a commit: the messages leave, and those who watch are told.
    fn committed(&self, saved: Saved) {
        if saved.has_messages {
            self.outbox.wake();
        }
        self.changes.notify(saved.orders);
    }
}

#[async_trait]
impl OrderStore for PgOrders {
    async fn place(&self, order: NewOrder, key: RequestKey) -> Result<Placed, StoreError> {
        let mut order = order;
        // Whose batch it is done in has another trace.
        order.details.traceparent = tradepost_telemetry::current_traceparent();
        let placement = Placement { order, key };
        let placing = self
            .placements
            .call(placement, |batch| self.place_all(batch));
        let placed = placing.await.map_err(DbError::from)??;
        // Nobody watches what was not there before.
        if let Placed::Order {
            replayed: false, ..
        } = &placed
        {
            self.outbox.wake();
        }
        Ok(placed)
    }

    async fn find_placed(
        &self,
        tenant: TenantId,
        key: &RequestKey,
    ) -> Result<Option<Placed>, StoreError> {
        retrying(|| self.find_placed_once(tenant, key)).await
    }

    async fn apply_batch(&self, batch: Vec<Incoming>) -> Result<Applied, BatchError> {
        let (applied, saved) = retrying(|| self.apply_batch_once(&batch)).await?;
        self.committed(saved);
        Ok(applied)
    }

    async fn fire_deadlines(&self, limit: i64) -> Result<Applied, StoreError> {
        let (applied, saved) = retrying(|| self.fire_deadlines_once(limit)).await?;
        self.committed(saved);
        Ok(applied)
    }

    async fn wish(&self, wish: Wish) -> Result<(Order, Applied), WishError> {
        let (order, applied) = retrying(|| self.wish_once(&wish)).await?;
        self.outbox.wake();
        self.changes.notify([order.clone()]);
        Ok((order, applied))
    }

    async fn find(&self, tenant: TenantId, id: OrderId) -> Result<Option<Order>, StoreError> {
        let finding = self
            .look_ups
            .call((tenant, id), |batch| self.find_all(batch));
        finding.await.map_err(DbError::from)?
    }

    async fn lines(&self, tenant: TenantId, id: OrderId) -> Result<Vec<Line>, StoreError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        let mut lines = read::lines(tx.conn(), &[(tenant, id)]).await?;
        tx.commit().await?;
        Ok(lines.remove(&id).unwrap_or_default())
    }

    async fn events(&self, tenant: TenantId, id: OrderId) -> Result<Vec<Recorded>, StoreError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        let events = read::events(tx.conn(), tenant, id).await?;
        tx.commit().await?;
        Ok(events)
    }

    async fn list(
        &self,
        tenant: TenantId,
        filter: &Filter,
        after: Option<Position>,
        limit: i64,
    ) -> Result<Vec<Order>, StoreError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        let orders = read::list(tx.conn(), tenant, filter, after, limit).await?;
        tx.commit().await?;
        Ok(orders)
    }

    async fn list_stuck(
        &self,
        tenant: TenantId,
        after: Option<Position>,
        limit: i64,
    ) -> Result<Vec<Order>, StoreError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        let orders = read::list_stuck(tx.conn(), tenant, after, limit).await?;
        tx.commit().await?;
        Ok(orders)
    }

    async fn versions(
        &self,
        orders: &[(TenantId, OrderId)],
    ) -> Result<HashMap<OrderId, i64>, StoreError> {
        let mut tx = self.database.system_tx().await?;
        let versions = read::versions(tx.conn(), orders).await?;
        tx.commit().await?;
        Ok(versions)
    }

    async fn live_by_state(&self) -> Result<HashMap<String, i64>, StoreError> {
        let mut tx = self.database.system_tx().await?;
        let counts = read::live_by_state(tx.conn()).await?;
        tx.commit().await?;
        Ok(counts)
    }
}

impl From<DbError> for StoreError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Unavailable(_) | DbError::CommitUnknown(_) => Self::Unavailable(error),
            DbError::SerializationFailure(_) => Self::Contended(error),
            DbError::Constraint { .. } | DbError::Schema(_) | DbError::Query(_) => {
                Self::Faulty(error.into())
            }
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        DbError::from(error).into()
    }
}

impl RetryableTx for StoreError {
    fn is_serialization_failure(&self) -> bool {
        matches!(self, Self::Contended(_))
    }
}

impl RetryableTx for BatchError {
    fn is_serialization_failure(&self) -> bool {
        matches!(self, Self::Store(StoreError::Contended(_)))
    }
}

impl RetryableTx for WishError {
    fn is_serialization_failure(&self) -> bool {
        matches!(self, Self::Store(StoreError::Contended(_)))
    }
}

impl From<DbError> for BatchError {
    fn from(error: DbError) -> Self {
        Self::Store(error.into())
    }
}

impl From<DbError> for WishError {
    fn from(error: DbError) -> Self {
        Self::Store(error.into())
    }
}
