//! The queue `shipping.commands`.

use std::sync::Arc;

use async_trait::async_trait;
use tradepost_messaging::{Binding, Delivery, HandleError, Handler, Subscription};
use tradepost_proto::routing::COMMANDS;

use super::parse;
use crate::application::CarryOut;
use crate::ports::StoreError;

/// The queue's name.
const QUEUE: &str = "shipping.commands";
/// Whose commands these are.
const SERVICE: &str = "shipping";

/// Carries out commands on shipments, a batch in one transaction.
struct CommandHandler {
    carry_out: CarryOut,
}

/// Subscribes the use case to every command of this service.
#[must_use]
pub fn subscription(carry_out: CarryOut, batch_max: usize) -> Subscription {
    let ours = COMMANDS.iter().filter(|(service, _)| *service == SERVICE);
    Subscription {
        queue: QUEUE,
        bindings: ours
            .map(|(service, name)| Binding::command(service, name))
            .collect(),
        batch_max,
        handler: Arc::new(CommandHandler { carry_out }),
    }
}

#[async_trait]
impl Handler for CommandHandler {
    async fn handle(&self, batch: &[Delivery]) -> Result<(), HandleError> {
        let messages = batch.iter().map(|delivery| &delivery.message);
        let commands = messages
            .map(parse::command)
            .collect::<Result<Vec<_>, _>>()?;
        self.carry_out.run(&commands).await.map_err(transient)
    }
}

fn transient(error: StoreError) -> HandleError {
    match error {
        StoreError::Contended(_) | StoreError::Unavailable(_) => HandleError::Transient {
            reason: "store_unavailable",
            source: error.into(),
        },
        StoreError::OrderHasShipment => HandleError::Transient {
            reason: "order_has_shipment",
            source: error.into(),
        },
        StoreError::Broken(_)
        | StoreError::RequestIdReused
        | StoreError::NotFound
        | StoreError::Illegal { .. } => HandleError::Transient {
            reason: "store",
            source: error.into(),
        },
    }
}
