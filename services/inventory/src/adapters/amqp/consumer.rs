//! The queue `inventory.commands`.

use std::sync::Arc;

use async_trait::async_trait;
use tradepost_messaging::{Binding, Delivery, HandleError, Handler, Subscription};
use tradepost_proto::routing::COMMANDS;

use super::parse;
use crate::metrics::Metrics;
use crate::ports::{Reservations, StoreError};

/// The queue's name.
const QUEUE: &str = "inventory.commands";
/// Whose commands these are.
const SERVICE: &str = "inventory";

/// Carries out commands on reservations, a batch in one transaction.
struct CommandHandler {
    store: Reservations,
    metrics: Metrics,
}

/// Subscribes the store to every command of this service.
#[must_use]
pub fn subscription(store: Reservations, metrics: Metrics, batch_max: usize) -> Subscription {
    let ours = COMMANDS.iter().filter(|(service, _)| *service == SERVICE);
    Subscription {
        queue: QUEUE,
        bindings: ours
            .map(|(service, name)| Binding::command(service, name))
            .collect(),
        batch_max,
        handler: Arc::new(CommandHandler { store, metrics }),
    }
}

#[async_trait]
impl Handler for CommandHandler {
    async fn handle(&self, batch: &[Delivery]) -> Result<(), HandleError> {
        let asked: Vec<_> = batch
            .iter()
            .map(|delivery| parse::asked(&delivery.message))
            .collect::<Result<_, _>>()?;
        let handled = self.store.carry_out(&asked).await.map_err(transient)?;
        self.metrics.handled(handled);
        Ok(())
    }
}

fn transient(error: StoreError) -> HandleError {
    match error {
        StoreError::Database(error) => error.into(),
        StoreError::RequestIdReused
        | StoreError::ItemNotFound
        | StoreError::CurrencyChanged
        | StoreError::Stock(_) => HandleError::Transient {
            reason: "store",
            source: error.into(),
        },
    }
}
