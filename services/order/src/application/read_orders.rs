//! Reads orders, histories and lists.

use std::sync::Arc;

use tradepost_types::{OrderId, TenantId};

use crate::domain::{Line, Order, Recorded, Waiting, waiting};
use crate::ports::{Filter, OrderStore, Position, StoreError};

/// Reads orders.
#[derive(Clone)]
pub struct ReadOrders {
    store: Arc<dyn OrderStore>,
}

/// Everything that happened to an order, and what it waits for.
#[derive(Debug)]
pub struct History {
    /// Oldest first.
    pub events: Vec<Recorded>,
    /// `None` when it is final.
    pub waiting: Option<Waiting>,
}

impl ReadOrders {
    /// The use case over a store.
    #[must_use]
    pub fn new(store: Arc<dyn OrderStore>) -> Self {
        Self { store }
    }

    /// One order without its lines.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn find(&self, tenant: TenantId, id: OrderId) -> Result<Option<Order>, StoreError> {
        self.store.find(tenant, id).await
    }

    /// One order with its lines.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn get(
        &self,
        tenant: TenantId,
        id: OrderId,
    ) -> Result<Option<(Order, Vec<Line>)>, StoreError> {
        let Some(order) = self.store.find(tenant, id).await? else {
            return Ok(None);
        };
        let lines = self.store.lines(tenant, id).await?;
        Ok(Some((order, lines)))
    }

    /// The history of one order.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn history(
        &self,
        tenant: TenantId,
        id: OrderId,
    ) -> Result<Option<History>, StoreError> {
        let Some(order) = self.store.find(tenant, id).await? else {
            return Ok(None);
        };
        let events = self.store.events(tenant, id).await?;
        let waiting = waiting(&order);
        Ok(Some(History { events, waiting }))
    }

    /// Orders after a position, newest first.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn list(
        &self,
        tenant: TenantId,
        filter: &Filter,
        after: Option<Position>,
        limit: i64,
    ) -> Result<Vec<Order>, StoreError> {
        self.store.list(tenant, filter, after, limit).await
    }

    /// Orders that need attention after a position, oldest first.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn list_stuck(
        &self,
        tenant: TenantId,
        after: Option<Position>,
        limit: i64,
    ) -> Result<Vec<Order>, StoreError> {
        self.store.list_stuck(tenant, after, limit).await
    }
}
