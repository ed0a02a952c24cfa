//! The queue of answers: a batch of messages is one call of the use case.

use std::sync::Arc;

use async_trait::async_trait;
use tradepost_messaging::{Binding, Delivery, HandleError, Handler, Subscription};

use super::parse::parse;
use crate::application::ApplyAnswers;
use crate::ports::{BatchError, StoreError};

/// The queue that every participant's events flow into.
pub const QUEUE: &str = "order.replies";

/// Handles the answers of the participants.
pub struct Replies {
    answers: ApplyAnswers,
}

/// Binds the queue to the events of all participants.
#[must_use]
pub fn subscription(answers: ApplyAnswers, batch_max: usize) -> Subscription {
    let participants = ["inventory.*", "payment.*", "shipping.*"];
    Subscription {
        queue: QUEUE,
        bindings: participants.map(Binding::event).to_vec(),
        batch_max,
        handler: Arc::new(Replies { answers }),
    }
}

#[async_trait]
impl Handler for Replies {
    async fn handle(&self, batch: &[Delivery]) -> Result<(), HandleError> {
        let mut incoming = Vec::with_capacity(batch.len());
        for delivery in batch {
            match parse(&delivery.message)? {
                Some(answer) => incoming.push(answer),
                None => tracing::debug!(
                    event = "order.message_not_for_us",
                    message.kind = delivery.message.kind,
                    "a message of another kind is passed over"
                ),
            }
        }
        if incoming.is_empty() {
            return Ok(());
        }
        Ok(self.answers.run(incoming).await?)
    }
}

impl From<BatchError> for HandleError {
    fn from(error: BatchError) -> Self {
        match error {
            BatchError::UnknownOrder(_) => Self::Transient {
                reason: "unknown_order",
                source: error.into(),
            },
            BatchError::UnknownVersion { .. } => Self::Transient {
                reason: "unknown_saga_version",
                source: error.into(),
            },
            BatchError::Illegal(_) => Self::Poison {
                reason: "contradicting_answer",
                detail: error.to_string(),
            },
            BatchError::Store(StoreError::Unavailable(_) | StoreError::Contended(_)) => {
                Self::Transient {
                    reason: "database",
                    source: error.into(),
                }
            }
            BatchError::Store(StoreError::Faulty(_)) => Self::Transient {
                reason: "store_faulty",
                source: error.into(),
            },
        }
    }
}
