//! The queue `payment.commands`.

use std::sync::Arc;

use async_trait::async_trait;
use tradepost_messaging::{Binding, Delivery, HandleError, Handler, Subscription};
use tradepost_proto::routing::COMMANDS;

use super::parse;
use crate::application::Feed;
use crate::ports::{Payments, StoreError};

/// The queue's name.
const QUEUE: &str = "payment.commands";
/// Whose commands these are.
const SERVICE: &str = "payment";

/// Stores commands, a batch in one transaction, and hands the calls they need on.
struct CommandHandler {
    store: Payments,
    feed: Feed,
}

/// Subscribes the store to every command of this service; the calls that follow go to `feed`.
#[must_use]
pub fn subscription(store: Payments, feed: Feed, batch_max: usize) -> Subscription {
    let ours = COMMANDS.iter().filter(|(service, _)| *service == SERVICE);
    Subscription {
        queue: QUEUE,
        bindings: ours
            .map(|(service, name)| Binding::command(service, name))
            .collect(),
        batch_max,
        handler: Arc::new(CommandHandler { store, feed }),
    }
}

#[async_trait]
impl Handler for CommandHandler {
    async fn handle(&self, batch: &[Delivery]) -> Result<(), HandleError> {
        let asked: Vec<_> = batch
            .iter()
            .map(|delivery| parse::asked(&delivery.message))
            .collect::<Result<_, _>>()?;
        let done = self.store.carry_out(&asked).await.map_err(transient)?;
        self.feed.give(done).await;
        Ok(())
    }
}

fn transient(error: StoreError) -> HandleError {
    match error {
        StoreError::Database(error) => error.into(),
        StoreError::RequestIdReused | StoreError::PaymentNotFound | StoreError::Refund(_) => {
            HandleError::Transient {
                reason: "store",
                source: error.into(),
            }
        }
    }
}
