//! A person wants something of an order: the customer out, an operator on.

use std::sync::Arc;

use crate::domain::Order;
use crate::metrics::Metrics;
use crate::ports::{OrderStore, Wish, WishError};

/// Cancellations and the operators' verbs.
#[derive(Clone)]
pub struct ExpressWish {
    store: Arc<dyn OrderStore>,
    metrics: Metrics,
}

impl ExpressWish {
    /// The use case over a store.
    #[must_use]
    pub fn new(store: Arc<dyn OrderStore>, metrics: Metrics) -> Self {
        Self { store, metrics }
    }

    /// Grants the wish, once per key, and answers with the order after it.
    ///
    /// # Errors
    /// See [`WishError`].
    pub async fn run(&self, wish: Wish) -> Result<Order, WishError> {
        let (order, applied) = self.store.wish(wish).await?;
        super::report(&self.metrics, &applied);
        Ok(order)
    }
}
