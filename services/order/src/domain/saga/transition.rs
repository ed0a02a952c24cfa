//! What an input leads to: the saga after it, events, commands, facts and the timer.

use time::{Duration, OffsetDateTime};
use tradepost_types::{Money, PaymentId, RefundId, ReservationId, ShipmentId};

use super::{Answer, Moment, Policy, Reaction};
use crate::domain::event::{Event, EventKind};
use crate::domain::order::{Order, Timer};
use crate::domain::phase::{Attention, Outcome, Parcel, PaymentWait, Phase, Saga, StockStep, Undo};
use crate::domain::step::Step;

/// What a participant is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Command {
    /// Inventory: hold all items.
    ReserveStock(ReservationId),
    /// Inventory: hold for longer.
    ExtendReservation(ReservationId),
    /// Inventory: the goods are sold.
    CommitReservation(ReservationId),
    /// Inventory: give the units back.
    ReleaseReservation(ReservationId),
    /// Payment: hold the money.
    AuthorizePayment(PaymentId),
    /// Payment: take the money.
    CapturePayment(PaymentId),
    /// Payment: let the money go.
    VoidPayment(PaymentId),
    /// Payment: give all the money back.
    RefundPayment(RefundId, PaymentId),
    /// Shipping: book the parcel.
    BookShipment(ShipmentId),
    /// Shipping: call the parcel off.
    VoidShipment(ShipmentId),
}

/// What everybody may know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// The order was accepted.
    Placed,
    /// Stock sold, money held, parcel booked.
    Confirmed,
    /// It could not be fulfilled.
    Rejected {
        /// Why.
        reason: String,
    },
    /// Undone at the customer's wish.
    Cancelled,
    /// The carrier has the parcel and the money is ours.
    Shipped,
    /// The parcel arrived.
    Delivered,
    /// The parcel came back and the money was refunded.
    Returned,
    /// Money went back that the order did not ask for.
    Refunded {
        /// The refund.
        refund: RefundId,
        /// How much.
        amount: Money,
    },
    /// A person has to look.
    NeedsAttention {
        /// What is stuck.
        step: Step,
        /// Why.
        reason: String,
    },
}

/// What an input leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// The saga after it.
    pub saga: Saga,
    /// What to write into the history, in order.
    pub events: Vec<Event>,
    /// What to ask of whom.
    pub commands: Vec<Command>,
    /// What to tell everybody.
    pub facts: Vec<Fact>,
    /// When to look again.
    pub timer: Timer,
}

impl Transition {
    pub(super) fn from(order: &Order) -> Self {
        Self {
            saga: order.saga.clone(),
            events: Vec::new(),
            commands: Vec::new(),
            facts: Vec::new(),
            timer: order.timer,
        }
    }

    /// Notes what happened without a new step: the timer runs on.
    pub(super) fn stay(&mut self, phase: Phase, kind: EventKind, text: impl Into<String>) {
        self.saga.phase = phase;
        self.events.push(Event {
            kind,
            description: text.into(),
            saga: self.saga.clone(),
        });
    }

    /// Begins a phase: asks for what it waits for, starts its timer, tells its fact.
    pub(super) fn enter(
        &mut self,
        moment: &Moment<'_>,
        phase: Phase,
        kind: EventKind,
        text: impl Into<String>,
    ) {
        self.facts.extend(fact(&phase));
        self.resume(moment, phase, kind, text);
    }

    /// Begins a phase again: as [`Self::enter`], but everybody knows already.
    pub(super) fn resume(
        &mut self,
        moment: &Moment<'_>,
        phase: Phase,
        kind: EventKind,
        text: impl Into<String>,
    ) {
        self.ask(outstanding(
            &moment.order.in_phase(phase.clone()),
            self.saga.asked.reservations,
        ));
        self.timer = moment.policy.first_timer(&phase, moment.now);
        self.stay(phase, kind, text);
    }

    /// Sends commands and remembers that the question was asked.
    pub(super) fn ask(&mut self, commands: impl IntoIterator<Item = Command>) {
        for command in commands {
            match command {
                Command::AuthorizePayment(_) => self.saga.asked.payment = true,
                Command::BookShipment(_) => self.saga.asked.shipment = true,
                Command::ReserveStock(_)
                | Command::ExtendReservation(_)
                | Command::CommitReservation(_)
                | Command::ReleaseReservation(_)
                | Command::CapturePayment(_)
                | Command::VoidPayment(_)
                | Command::RefundPayment(..)
                | Command::VoidShipment(_) => {}
            }
            self.commands.push(command);
        }
    }

    pub(super) fn done(self) -> Answer {
        Ok(Reaction::Moved(Box::new(self)))
    }
}

impl Moment<'_> {
    /// Notes news in a phase that otherwise stays as it is.
    pub(super) fn note(&self, kind: EventKind, text: impl Into<String>) -> Answer {
        self.stay(self.order.saga.phase.clone(), kind, text)
    }

    /// Changes a detail of the phase.
    pub(super) fn stay(&self, phase: Phase, kind: EventKind, text: impl Into<String>) -> Answer {
        let mut transition = self.start();
        transition.stay(phase, kind, text);
        transition.done()
    }

    /// Goes to the next phase.
    pub(super) fn enter(&self, phase: Phase, kind: EventKind, text: impl Into<String>) -> Answer {
        let mut transition = self.start();
        transition.enter(self, phase, kind, text);
        transition.done()
    }

    /// Asks a person.
    pub(super) fn call_person(
        &self,
        step: Step,
        back: Phase,
        kind: EventKind,
        reason: impl Into<String>,
    ) -> Answer {
        let reason = reason.into();
        let stuck = Phase::NeedsAttention(Attention {
            step,
            reason: reason.clone(),
            back: Box::new(back),
        });
        self.enter(stuck, kind, reason)
    }

    /// Sends what is outstanding once more and waits longer; not after the limit, if there is one.
    pub(super) fn send_again(&self, before: Option<OffsetDateTime>) -> Answer {
        let mut transition = self.start();
        let reservations = self.order.saga.asked.reservations;
        transition.ask(outstanding(self.order, reservations));
        self.wait_longer(&mut transition, before);
        transition.done()
    }

    pub(super) fn wait_longer(&self, transition: &mut Transition, before: Option<OffsetDateTime>) {
        let attempts = self.order.timer.attempts.saturating_add(1);
        let next = self.now + self.policy.back_off(attempts);
        transition.timer = Timer {
            at: Some(before.map_or(next, |limit| next.min(limit.max(self.now)))),
            attempts,
        };
    }

    /// Whether something that began at `since` took longer than `limit`.
    pub(super) fn is_over(&self, since: OffsetDateTime, limit: Duration) -> bool {
        self.now - since >= limit
    }
}

impl Policy {
    /// When a phase that begins now is looked at first.
    pub(super) fn first_timer(&self, phase: &Phase, now: OffsetDateTime) -> Timer {
        let wait = match phase {
            Phase::Reserving
            | Phase::Authorizing(_)
            | Phase::Confirming(_)
            | Phase::Capturing { .. }
            | Phase::Returning { .. }
            | Phase::Cancelling(_) => Some(self.step),
            Phase::Confirmed => Some(self.hand_over_max),
            Phase::Shipped => Some(self.delivery_max),
            Phase::Delivered
            | Phase::Returned
            | Phase::Cancelled
            | Phase::Rejected { .. }
            | Phase::NeedsAttention(_) => None,
        };
        Timer {
            at: wait.map(|wait| now + wait),
            attempts: 0,
        }
    }
}

/// What the phase has asked for and waits for; sending it again is harmless.
pub(super) fn outstanding(order: &Order, reservations: u32) -> Vec<Command> {
    let reservation = order.reservation(reservations);
    match &order.saga.phase {
        Phase::Reserving => vec![Command::ReserveStock(reservation)],
        Phase::Authorizing(now) => match now.wait {
            PaymentWait::Answer => vec![Command::AuthorizePayment(order.payment())],
            PaymentWait::Unknown { .. } | PaymentWait::Action { .. } => Vec::new(),
        },
        Phase::Confirming(now) => {
            let stock = match now.stock {
                StockStep::Reserving => Some(Command::ReserveStock(reservation)),
                StockStep::Committing => Some(Command::CommitReservation(reservation)),
                StockStep::Committed | StockStep::Lost => None,
            };
            let booking =
                (now.parcel == Parcel::Awaited).then(|| Command::BookShipment(order.shipment()));
            stock.into_iter().chain(booking).collect()
        }
        Phase::Capturing { .. } => vec![Command::CapturePayment(order.payment())],
        Phase::Returning {
            refunded,
            restocked,
        } => {
            let refund =
                (!refunded).then(|| Command::RefundPayment(order.refund(), order.payment()));
            let release = (!restocked).then_some(Command::ReleaseReservation(reservation));
            refund.into_iter().chain(release).collect()
        }
        Phase::Cancelling(now) => match &now.undo {
            Undo::Shipment { .. } => vec![Command::VoidShipment(order.shipment())],
            Undo::MoneyAndStock {
                payment,
                reservations,
            } => {
                let void = payment.then(|| Command::VoidPayment(order.payment()));
                let release = reservations
                    .iter()
                    .map(|&number| Command::ReleaseReservation(order.reservation(number)));
                void.into_iter().chain(release).collect()
            }
        },
        Phase::Confirmed
        | Phase::Shipped
        | Phase::Delivered
        | Phase::Returned
        | Phase::Cancelled
        | Phase::Rejected { .. }
        | Phase::NeedsAttention(_) => Vec::new(),
    }
}

fn fact(phase: &Phase) -> Option<Fact> {
    match phase {
        Phase::Confirmed => Some(Fact::Confirmed),
        Phase::Shipped => Some(Fact::Shipped),
        Phase::Delivered => Some(Fact::Delivered),
        Phase::Returned => Some(Fact::Returned),
        Phase::Cancelled => Some(Fact::Cancelled),
        Phase::Rejected { reason } => Some(Fact::Rejected {
            reason: reason.clone(),
        }),
        Phase::NeedsAttention(stuck) => Some(Fact::NeedsAttention {
            step: stuck.step,
            reason: stuck.reason.clone(),
        }),
        Phase::Reserving
        | Phase::Authorizing(_)
        | Phase::Confirming(_)
        | Phase::Capturing { .. }
        | Phase::Returning { .. }
        | Phase::Cancelling(_) => None,
    }
}

impl Outcome {
    /// The final phase.
    pub(super) fn end(&self) -> (Phase, EventKind, String) {
        match self {
            Self::Cancelled => (
                Phase::Cancelled,
                EventKind::Cancelled,
                "everything is undone".to_owned(),
            ),
            Self::Rejected(reason) => (
                Phase::Rejected {
                    reason: reason.clone(),
                },
                EventKind::Rejected,
                format!("everything is undone: {reason}"),
            ),
        }
    }
}
