//! Applies the participants' answers.

use std::sync::Arc;

use crate::metrics::Metrics;
use crate::ports::{BatchError, Incoming, OrderStore};

/// Applies the participants' answers.
#[derive(Clone)]
pub struct ApplyAnswers {
    store: Arc<dyn OrderStore>,
    metrics: Metrics,
}

impl ApplyAnswers {
    /// The use case over a store.
    #[must_use]
    pub fn new(store: Arc<dyn OrderStore>, metrics: Metrics) -> Self {
        Self { store, metrics }
    }

    /// Applies the whole batch or nothing of it.
    ///
    /// # Errors
    /// See [`BatchError`].
    pub async fn run(&self, batch: Vec<Incoming>) -> Result<(), BatchError> {
        let applied = self.store.apply_batch(batch).await?;
        super::report(&self.metrics, &applied);
        Ok(())
    }
}
