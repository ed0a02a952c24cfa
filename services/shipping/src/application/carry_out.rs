//! Books and voids parcels, many at once.

use tradepost_messaging::Message;
use tradepost_types::{OrderId, ShipmentId};

use crate::domain::{Details, News, Shipment};
use crate::metrics::Metrics;
use crate::ports::{AnyCarrier, Decision, Parcel, Shipments, StoreError, Target};

/// A command with the message that brought it.
#[derive(Debug, Clone)]
pub struct Command {
    /// The message.
    pub cause: Message,
    /// Which shipment.
    pub shipment: ShipmentId,
    /// Of which order.
    pub order: OrderId,
    /// What.
    pub action: Action,
}

/// What can be asked.
#[derive(Debug, Clone)]
pub enum Action {
    /// Book the parcel.
    Book(Parcel),
    /// Call it off.
    Void,
}

/// What a command comes to, before the store is asked.
enum Plan {
    Book(Box<Details>),
    Refuse(String),
    Void,
}

/// Carries out commands.
pub struct CarryOut {
    store: Shipments,
    carrier: AnyCarrier,
    metrics: Metrics,
}

impl CarryOut {
    /// Commands against this store and this carrier.
    #[must_use]
    pub const fn new(store: Shipments, carrier: AnyCarrier, metrics: Metrics) -> Self {
        Self {
            store,
            carrier,
            metrics,
        }
    }

    /// Carries out a batch. The carrier is asked before the store: it gives the same label for the
    /// same shipment, so a label that turns out not to be needed costs nothing.
    ///
    /// # Errors
    /// [`StoreError`], and nothing is stored.
    pub async fn run(&self, commands: &[Command]) -> Result<(), StoreError> {
        let mut planned = Vec::with_capacity(commands.len());
        for command in commands {
            planned.push((command, self.plan(command).await));
        }
        let target = |command: &Command| Target {
            tenant: command.cause.tenant,
            id: command.shipment,
            cause: command.cause.clone(),
        };
        let targets: Vec<Target> = commands.iter().map(target).collect();
        let decide = |index: usize, stored, _now| {
            let (command, plan) = planned.get(index)?;
            Some(self.decide(command, plan, stored))
        };
        self.store.change(&targets, &decide).await?;
        self.metrics.commands(commands.len());
        Ok(())
    }

    async fn plan(&self, command: &Command) -> Plan {
        match &command.action {
            Action::Void => Plan::Void,
            Action::Book(parcel) => match self.carrier.book(parcel).await {
                Ok(details) => Plan::Book(Box::new(details)),
                Err(crate::domain::RateError::WeightTooLarge) => {
                    Plan::Refuse("WEIGHT_TOO_LARGE".to_owned())
                }
            },
        }
    }

    fn decide(&self, command: &Command, plan: &Plan, stored: Option<Shipment>) -> Decision {
        let (tenant, id, order) = (command.cause.tenant, command.shipment, command.order);
        let (shipment, news) = match (stored, plan) {
            (Some(mut shipment), Plan::Void) => {
                let news = shipment.void();
                (shipment, news)
            }
            (None, Plan::Void) => (Shipment::tombstone(tenant, id, order), News::Voided),
            (Some(shipment), Plan::Book(_) | Plan::Refuse(_)) => answered(shipment),
            (None, Plan::Book(details)) => {
                answered(Shipment::book(tenant, id, order, (**details).clone()))
            }
            (None, Plan::Refuse(reason)) => answered(Shipment::refused(tenant, id, order, reason)),
        };
        let due_after = self.carrier.next(&shipment).map(|(_, after)| after);
        Decision {
            shipment,
            news: vec![news],
            due_after,
        }
    }
}

fn answered(shipment: Shipment) -> (Shipment, News) {
    let news = shipment.booking_answer();
    (shipment, news)
}
