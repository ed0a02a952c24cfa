//! Books and voids parcels, many at once.

use tradepost_messaging::Message;
use tradepost_types::{OrderId, ShipmentId};

use super::courier::Courier;
use crate::domain::{Ask, Details, News, Parcel, Refusal, Shipment};
use crate::metrics::Metrics;
use crate::ports::{CarrierError, Decision, Due, Shipments, StoreError, Target};

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

/// What the carrier said to a booking.
enum Reply {
    Label(Box<Details>),
    No(Refusal),
    Nothing,
}

/// Carries out commands.
pub struct CarryOut {
    store: Shipments,
    courier: Courier,
    metrics: Metrics,
}

impl CarryOut {
    /// Commands against this store and this carrier.
    #[must_use]
    pub const fn new(store: Shipments, courier: Courier, metrics: Metrics) -> Self {
        Self {
            store,
            courier,
            metrics,
        }
    }

    /// Carries out a batch. The carrier is asked before the store: so a booking is one write, and
    /// it knows our reference, so that asking again after a crash finds the same label. A parcel
    /// for which it has no answer yet is stored as planned, and the clock asks again.
    ///
    /// # Errors
    /// [`StoreError`]; the same batch again does what is left of it.
    pub async fn run(&self, commands: &[Command]) -> Result<(), StoreError> {
        let replies = self.ask(commands).await;
        match self.store(commands, &replies).await {
            // In a batch the store does not say which one; each comes again alone.
            Err(StoreError::OrderHasShipment) if commands.len() == 1 => {
                let refused = Reply::No(Refusal::OrderHasShipment);
                self.store(commands, &[refused]).await?;
            }
            done => done?,
        }
        self.metrics.commands(commands.len());
        Ok(())
    }

    /// One reply a command; a void needs none.
    async fn ask(&self, commands: &[Command]) -> Vec<Reply> {
        let mut asks = Vec::with_capacity(commands.len());
        for command in commands {
            if let Action::Book(parcel) = &command.action {
                asks.push((command.shipment, Ask::Book(parcel.clone())));
            }
        }
        let mut answers = self.courier.run(asks).await.into_iter();
        let reply = |command: &Command| match &command.action {
            Action::Void => Reply::Nothing,
            Action::Book(_) => match answers.next() {
                Some(Ok(Some(details))) => Reply::Label(Box::new(details)),
                Some(Err(CarrierError::Refused(refusal))) => Reply::No(refusal),
                Some(Ok(None) | Err(CarrierError::Unavailable(_) | CarrierError::Unknown(_)))
                | None => Reply::Nothing,
            },
        };
        commands.iter().map(reply).collect()
    }

    async fn store(&self, commands: &[Command], replies: &[Reply]) -> Result<(), StoreError> {
        let target = |command: &Command| Target {
            tenant: command.cause.tenant,
            id: command.shipment,
            cause: Some(command.cause.clone()),
        };
        let targets: Vec<Target> = commands.iter().map(target).collect();
        let decide = |index: usize, stored: Option<Shipment>, _now| {
            let (command, reply) = (commands.get(index)?, replies.get(index)?);
            Some(match &command.action {
                Action::Book(parcel) => self.book(command, parcel, reply, stored),
                Action::Void => self.void(command, stored),
            })
        };
        self.store.change(&targets, &decide).await
    }

    fn book(
        &self,
        command: &Command,
        parcel: &Parcel,
        reply: &Reply,
        stored: Option<Shipment>,
    ) -> Decision {
        let before = stored.clone();
        let mut shipment =
            stored.unwrap_or_else(|| Shipment::planned(command.cause.tenant, parcel.clone()));
        // A repetition is answered like the first: what the reply changed is not what counts.
        let _: Option<News> = match reply {
            Reply::Label(details) => shipment.label((**details).clone()),
            Reply::No(refusal) => shipment.refuse(*refusal),
            Reply::Nothing => None,
        };
        let news = shipment.booking_answer().into_iter().collect();
        self.decision(before.as_ref(), shipment, news)
    }

    /// The carrier is asked by the clock, after the write: only then is it sure that no booking of
    /// the same batch overtakes the question.
    fn void(&self, command: &Command, stored: Option<Shipment>) -> Decision {
        let tenant = command.cause.tenant;
        let before = stored.clone();
        let mut shipment =
            stored.unwrap_or_else(|| Shipment::tombstone(tenant, command.shipment, command.order));
        let news = shipment.void().into_iter().collect();
        self.decision(before.as_ref(), shipment, news)
    }

    /// A repetition must not set the clock back.
    fn decision(&self, before: Option<&Shipment>, shipment: Shipment, news: Vec<News>) -> Decision {
        let due = if before == Some(&shipment) {
            Due::AsBefore
        } else {
            self.courier.due(&shipment)
        };
        Decision {
            shipment,
            news,
            due,
        }
    }
}
