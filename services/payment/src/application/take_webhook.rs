//! Takes a webhook of the provider: believes it, reads it, applies it once. Those that arrive
//! together are applied in one transaction.

use std::time::Duration;

use tradepost_postgres::{Group, GroupLimits};

use super::Feed;
use crate::metrics::Metrics;
use crate::ports::{Payments, StoreError, Taken, WebhookEvent, WebhookFault, Webhooks};

/// How webhooks share transactions.
const LIMITS: GroupLimits = GroupLimits {
    batch_max: 64,
    batches_max: 2,
    // Nobody waits for a webhook's answer but the provider, which has seconds.
    gap: Duration::from_millis(20),
};

/// Why a webhook was not taken.
#[derive(Debug, thiserror::Error)]
pub enum WebhookRefusal {
    /// It is not believed, or not an event.
    #[error(transparent)]
    Fault(#[from] WebhookFault),
    /// It could not be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Takes webhooks.
pub struct TakeWebhook {
    store: Payments,
    reader: Webhooks,
    feed: Feed,
    metrics: Metrics,
    group: Group<WebhookEvent, Result<Taken, StoreError>>,
}

impl TakeWebhook {
    /// Takes what `reader` believes.
    #[must_use]
    pub fn new(store: Payments, reader: Webhooks, feed: Feed, metrics: Metrics) -> Self {
        Self {
            store,
            reader,
            feed,
            metrics,
            group: Group::new(LIMITS),
        }
    }

    /// Takes one; whether it had been taken before.
    ///
    /// # Errors
    /// [`WebhookRefusal`].
    pub async fn take(&self, payload: &[u8], signature: &str) -> Result<bool, WebhookRefusal> {
        let event = match self.reader.read(payload, signature) {
            Ok(Some(event)) => event,
            Ok(None) => {
                self.metrics.webhook("uninteresting");
                return Ok(false);
            }
            Err(fault) => {
                self.metrics.webhook(fault.name());
                return Err(fault.into());
            }
        };
        let taken = self.group.call(event, |batch| self.take_all(batch)).await;
        let taken = taken.map_err(StoreError::from)??;
        self.metrics.webhook(match taken {
            Taken::Applied => "applied",
            Taken::Parked => "parked",
            Taken::Duplicate => "duplicate",
        });
        Ok(taken == Taken::Duplicate)
    }

    /// All in one transaction; each alone if one of them may be at fault.
    async fn take_all(&self, batch: Vec<WebhookEvent>) -> Vec<Result<Taken, StoreError>> {
        match self.store.take_webhooks(&batch).await {
            Ok((taken, done)) => {
                self.feed.give(done).await;
                taken.into_iter().map(Ok).collect()
            }
            Err(StoreError::Database(error)) if batch.len() == 1 || !error.may_be_of_one() => {
                let alike = |_| Err(StoreError::Database(error.alike()));
                batch.iter().map(alike).collect()
            }
            Err(_) => {
                let alone = batch.iter().map(std::slice::from_ref);
                futures::future::join_all(alone.map(|event| self.take_alone(event))).await
            }
        }
    }

    async fn take_alone(&self, event: &[WebhookEvent]) -> Result<Taken, StoreError> {
        let (taken, done) = self.store.take_webhooks(event).await?;
        self.feed.give(done).await;
        // One is asked about, one is answered.
        Ok(taken.first().copied().unwrap_or(Taken::Duplicate))
    }
}
