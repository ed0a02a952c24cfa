//! Accepts an order: prices from the catalogue, then one transaction.

use std::collections::HashSet;
use std::sync::Arc;

use tradepost_types::{OrderId, Sku, TenantId};

use crate::domain::{Draft, NewOrder, PlaceFault};
use crate::metrics::Metrics;
use crate::ports::{Catalogue, CatalogueUnavailable, OrderStore, Placed, RequestKey, StoreError};

/// Accepts orders.
#[derive(Clone)]
pub struct PlaceOrder {
    store: Arc<dyn OrderStore>,
    catalogue: Arc<dyn Catalogue>,
    metrics: Metrics,
}

/// Why an order was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The order breaks a rule.
    #[error(transparent)]
    Fault(#[from] PlaceFault),
    /// Prices cannot be had now.
    #[error(transparent)]
    Catalogue(#[from] CatalogueUnavailable),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl PlaceOrder {
    /// The use case over its ports.
    #[must_use]
    pub fn new(
        store: Arc<dyn OrderStore>,
        catalogue: Arc<dyn Catalogue>,
        metrics: Metrics,
    ) -> Self {
        Self {
            store,
            catalogue,
            metrics,
        }
    }

    /// Accepts the draft, or answers with the order that the key placed before.
    ///
    /// # Errors
    /// See [`PlaceError`].
    pub async fn run(
        &self,
        tenant: TenantId,
        draft: Draft,
        key: RequestKey,
    ) -> Result<Placed, PlaceError> {
        let placed = match self.price(tenant, draft).await {
            Ok(order) => self.store.place(order, key).await?,
            // A repetition is answered whatever became of its items since.
            Err(error) => match self.store.find_placed(tenant, &key).await? {
                Some(placed) => placed,
                None => return Err(error),
            },
        };
        if let Placed::Order {
            replayed: false, ..
        } = placed
        {
            self.metrics.placed();
        }
        Ok(placed)
    }

    async fn price(&self, tenant: TenantId, draft: Draft) -> Result<NewOrder, PlaceError> {
        let skus: HashSet<Sku> = draft.lines.iter().map(|line| line.sku.clone()).collect();
        let items = self.catalogue.items(tenant, &skus).await?;
        Ok(NewOrder::price(tenant, OrderId::new(), draft, &items)?)
    }
}
