//! The queue of facts: each becomes a batch that counts once, by the id of its message (ADR 34).

use std::sync::Arc;

use async_trait::async_trait;
use tradepost_messaging::{Binding, Delivery, HandleError, Handler, Subscription};
use tradepost_service::Clock;

use super::parse::{Window, parse};
use crate::application::{Ingest, NotStored};
use crate::ports::{Outcome, StoreError};

/// The queue that the order service's facts flow into.
pub const QUEUE: &str = "metrics.orders";
/// Facts that share a transaction. Beside one that is poison all others of its batch are offered
/// again one by one, so it is no larger than the rate needs.
const BATCH_MAX: usize = 200;

/// Counts the facts of orders.
struct Facts {
    ingest: Ingest,
    history_days: u16,
    clock: Clock,
}

/// Binds the queue to the facts of orders. What is older than so many days is parked.
#[must_use]
pub fn subscription(ingest: Ingest, history_days: u16, clock: Clock) -> Subscription {
    Subscription {
        queue: QUEUE,
        bindings: vec![Binding::event("order.*")],
        batch_max: BATCH_MAX,
        handler: Arc::new(Facts {
            ingest,
            history_days,
            clock,
        }),
    }
}

#[async_trait]
impl Handler for Facts {
    /// Stores what can be stored before it tells of what cannot: whatever comes again is known by
    /// its name, so that a batch may be carried out in part.
    async fn handle(&self, batch: &[Delivery]) -> Result<(), HandleError> {
        let window = Window::at(self.clock.now(), self.history_days);
        let mut batches = Vec::with_capacity(batch.len());
        let mut poison = None;
        for delivery in batch {
            match parse(&delivery.message, window) {
                Ok(Some(fact)) => batches.push(Arc::new(fact)),
                Ok(None) => tracing::debug!(
                    event = "metrics.message_not_for_us",
                    message.kind = delivery.message.kind,
                    "a fact of another kind is passed over"
                ),
                Err(fault) => poison = Some(fault),
            }
        }
        for outcome in self.ingest.store_all(&batches).await {
            match outcome {
                Ok(Outcome::Stored { .. } | Outcome::Duplicate) => {}
                Ok(Outcome::KeyReused) => poison = Some(reused()),
                Err(fault) => return Err(fault.into()),
            }
        }
        poison.map_or(Ok(()), Err)
    }
}

fn reused() -> HandleError {
    HandleError::Poison {
        reason: "message_id_reused",
        detail: "another fact was counted under its message id".to_owned(),
    }
}

impl From<NotStored> for HandleError {
    fn from(fault: NotStored) -> Self {
        match fault {
            NotStored::NoRoom(_) => Self::Busy {
                reason: "ingest_queue_full",
            },
            NotStored::Failed(StoreError::Database(error)) => error.into(),
        }
    }
}
