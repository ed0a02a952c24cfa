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
        let skus: HashSet<Sku> = draft.lines.iter().map(|line| line.sku.clone()).collect();
        let items = self.catalogue.items(tenant, &skus).await?;
        let order = NewOrder::price(tenant, OrderId::new(), draft, &items)?;
        let placed = self.store.place(order, key).await?;
        if let Placed::Order {
            replayed: false, ..
        } = placed
        {
            self.metrics.placed();
        }
        Ok(placed)
    }
}
