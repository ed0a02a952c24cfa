//! Takes a webhook of the provider: believes it, reads it, applies it once.

use super::Feed;
use crate::metrics::Metrics;
use crate::ports::{Payments, StoreError, Taken, WebhookFault, Webhooks};

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
}

impl TakeWebhook {
    /// Takes what `reader` believes.
    #[must_use]
    pub const fn new(store: Payments, reader: Webhooks, feed: Feed, metrics: Metrics) -> Self {
        Self {
            store,
            reader,
            feed,
            metrics,
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
        let (taken, done) = self.store.take_webhook(&event).await?;
        self.metrics.webhook(match taken {
            Taken::Applied => "applied",
            Taken::Parked => "parked",
            Taken::Duplicate => "duplicate",
        });
        self.feed.give(done).await;
        Ok(taken == Taken::Duplicate)
    }
}
