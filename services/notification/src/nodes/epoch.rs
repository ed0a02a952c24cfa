//! Which history this node knows the database to have.

use std::sync::{Arc, PoisonError, RwLock};

use tradepost_notifications::stream::Epoch;

/// The epoch as the last look found it; none before the first.
#[derive(Debug, Default)]
pub struct KnownEpoch(RwLock<Option<Arc<Epoch>>>);

impl KnownEpoch {
    /// The epoch, if it is known.
    #[must_use]
    pub fn get(&self) -> Option<Arc<Epoch>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.clone()
    }

    /// The epoch is this one; whether it was another.
    pub fn set(&self, epoch: &Epoch) -> bool {
        if self.get().is_some_and(|known| *known == *epoch) {
            return false;
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *known = Some(Arc::new(epoch.clone()));
        true
    }
}
