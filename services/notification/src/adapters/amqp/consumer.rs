//! The queue of facts: a batch of them is told in one transaction.

use std::sync::Arc;

use async_trait::async_trait;
use tradepost_messaging::{Binding, Delivery, HandleError, Handler, Subscription};

use super::parse::parse;
use crate::application::{Heard, OrderNotTold, TellOfOrders};
use crate::ports::StoreError;

/// The queue that the order service's facts flow into.
pub const QUEUE: &str = "notification.orders";
/// Facts that share a transaction. It holds the place of each customer and of the staff in their
/// streams until it commits, so it is kept short.
const BATCH_MAX: usize = 100;

/// Tells of the facts of orders.
struct Facts {
    tell: TellOfOrders,
}

/// Binds the queue to the facts of orders.
#[must_use]
pub fn subscription(tell: TellOfOrders) -> Subscription {
    Subscription {
        queue: QUEUE,
        bindings: vec![Binding::event("order.*")],
        batch_max: BATCH_MAX,
        handler: Arc::new(Facts { tell }),
    }
}

#[async_trait]
impl Handler for Facts {
    async fn handle(&self, batch: &[Delivery]) -> Result<(), HandleError> {
        let mut heard = Vec::with_capacity(batch.len());
        for Delivery { message, .. } in batch {
            match parse(message)? {
                Some(news) => heard.push(Heard {
                    cause: message.clone(),
                    news,
                }),
                None => tracing::debug!(
                    event = "notification.message_not_for_us",
                    message.kind = message.kind,
                    "a fact that nobody is told of is passed over"
                ),
            }
        }
        if heard.is_empty() {
            return Ok(());
        }
        Ok(self.tell.run(heard).await?)
    }
}

impl From<OrderNotTold> for HandleError {
    fn from(fault: OrderNotTold) -> Self {
        match fault {
            OrderNotTold::Unspeakable { kind, source } => Self::Poison {
                reason: "unspeakable",
                detail: format!("{kind}: {source}"),
            },
            OrderNotTold::Store(StoreError::Database(error)) => error.into(),
        }
    }
}
