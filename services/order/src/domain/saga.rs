//! The saga as a pure machine: an order and an input in, a transition out.
//!
//! Every phase has its own function with one exhaustive match. Three rules stand before them:
//! an answer about another id than the current one is *stale*; an answer to a question that was
//! never asked is *illegal*; an answer that comes again or too late is *ignored*, where the phase
//! says so explicitly.

mod attention;
mod authorizing;
mod cancelling;
mod confirming;
mod finished;
mod fulfilling;
mod reserving;
mod returning;
#[cfg(test)]
mod tests;
mod transition;

use time::{Duration, OffsetDateTime};
use tradepost_types::{PaymentId, RefundId};

use super::event::EventKind;
use super::input::{
    DisputeNews, Input, PaymentAnswer, RefundAnswer, ShipmentNews, StockAnswer, Verb,
};
use super::order::Order;
use super::phase::Phase;

pub use transition::{Command, Fact, Transition};

/// The definition that new orders get.
pub const CURRENT_VERSION: i32 = 1;

/// How long things may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// How long stock is held.
    pub hold_seconds: i64,
    /// Wait before a command is sent again; it doubles.
    pub step: Duration,
    /// The longest wait between two sendings.
    pub step_max: Duration,
    /// How old an order may get before it has stock and money.
    pub age_max: Duration,
    /// How long a payment may stay unknown.
    pub payment_max: Duration,
    /// How long the customer may take to act.
    pub action_max: Duration,
    /// How long the carrier may take to fetch the parcel.
    pub hand_over_max: Duration,
    /// How long the carrier may take to deliver it.
    pub delivery_max: Duration,
    /// How often an undo or a capture is tried before a person is called.
    pub tries_max: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            hold_seconds: 900,
            step: Duration::seconds(30),
            step_max: Duration::minutes(5),
            age_max: Duration::hours(24),
            payment_max: Duration::minutes(15),
            action_max: Duration::minutes(15),
            hand_over_max: Duration::days(30),
            delivery_max: Duration::days(60),
            tries_max: 20,
        }
    }
}

impl Policy {
    /// The wait after that many tries beyond the first: 30 s, 60 s, 120 s … up to the cap.
    #[must_use]
    pub fn back_off(&self, attempts: u32) -> Duration {
        let factor = 1_i32.checked_shl(attempts.min(20)).unwrap_or(i32::MAX);
        self.step
            .checked_mul(factor)
            .map_or(self.step_max, |wait| wait.min(self.step_max))
    }
}

/// What an input did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reaction {
    /// Something changed, if only the timer.
    Moved(Box<Transition>),
    /// Nothing to do.
    Ignored(Ignored),
}

/// Why there was nothing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ignored {
    /// The answer is about an id that does not count any more.
    Stale,
    /// It was known already, or comes after what it would have changed.
    Late,
}

/// Why an input is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// An answer that cannot come in this phase: a fault of the sender or of ours.
    #[error("the answer contradicts what happened before")]
    Illegal,
    /// The carrier has the parcel.
    #[error("the carrier has the parcel already")]
    AlreadyShipped,
    /// It ended otherwise, or waits for an operator.
    #[error("the order cannot be cancelled any more")]
    NotCancellable,
    /// Nothing is stuck.
    #[error("the order does not need attention")]
    NotStuck,
    /// The step cannot be done by hand.
    #[error("the stuck step cannot be taken as done by hand")]
    NotSkippable,
}

/// One version of the saga.
pub type Definition = fn(&Order, &Input, OffsetDateTime, &Policy) -> Result<Reaction, Refusal>;

/// All versions this binary can drive.
#[derive(Debug, Clone)]
pub struct Definitions {
    versions: Vec<(i32, Definition)>,
    policy: Policy,
}

impl Definitions {
    /// The versions of this binary.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self {
            versions: vec![(CURRENT_VERSION, apply)],
            policy,
        }
    }

    /// Adds or replaces a version.
    #[must_use]
    pub fn with(mut self, version: i32, definition: Definition) -> Self {
        self.versions.retain(|(known, _)| *known != version);
        self.versions.push((version, definition));
        self
    }

    /// The version that new orders get: the newest.
    #[must_use]
    pub fn newest(&self) -> i32 {
        self.versions
            .iter()
            .map(|(version, _)| *version)
            .max()
            .unwrap_or(CURRENT_VERSION)
    }

    /// All versions this binary can drive.
    #[must_use]
    pub fn versions(&self) -> Vec<i32> {
        self.versions.iter().map(|(version, _)| *version).collect()
    }

    /// The machine of that version, if this binary knows it.
    #[must_use]
    pub fn definition(&self, version: i32) -> Option<Definition> {
        let found = self.versions.iter().find(|(known, _)| *known == version);
        found.map(|(_, definition)| *definition)
    }

    /// How long things may take.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }
}

/// An input after the rules that hold in every phase: ids are gone, because they are the current
/// ones, except the number of a released reservation.
#[derive(Debug, Clone, Copy)]
enum Signal<'a> {
    Stock(&'a StockAnswer),
    Released(u32),
    Payment(&'a PaymentAnswer),
    Refund(&'a RefundAnswer),
    Shipment(&'a ShipmentNews),
    Cancel { note: &'a str, actor: &'a str },
    Deadline,
    Operator { actor: &'a str, verb: &'a Verb },
}

/// Everything a phase may look at.
#[derive(Debug, Clone, Copy)]
struct Moment<'a> {
    order: &'a Order,
    now: OffsetDateTime,
    policy: &'a Policy,
}

type Answer = Result<Reaction, Refusal>;

const LATE: Answer = Ok(Reaction::Ignored(Ignored::Late));
const ILLEGAL: Answer = Err(Refusal::Illegal);

/// Version 1 of the saga.
///
/// # Errors
/// [`Refusal`], and then nothing changes.
pub fn apply(
    order: &Order,
    input: &Input,
    now: OffsetDateTime,
    policy: &Policy,
) -> Result<Reaction, Refusal> {
    let moment = Moment { order, now, policy };
    if let Input::Dispute(id, news) = input {
        return moment.disputed(*id, news);
    }
    if let Input::Refund(id, answer) = input
        && *id != order.refund()
    {
        return moment.refunded_beside(*id, answer);
    }
    match signal(order, input)? {
        Some(signal) => moment.dispatch(signal),
        None => Ok(Reaction::Ignored(Ignored::Stale)),
    }
}

/// The rules that hold in every phase; `None` is stale.
fn signal<'a>(order: &Order, input: &'a Input) -> Result<Option<Signal<'a>>, Refusal> {
    let asked = order.saga.asked;
    let known =
        |is_current: bool, was_asked: bool, signal: Signal<'a>| match (is_current, was_asked) {
            (false, _) => Ok(None),
            (true, false) => Err(Refusal::Illegal),
            (true, true) => Ok(Some(signal)),
        };
    match input {
        Input::Stock(id, StockAnswer::Released) => {
            Ok(order.reservation_number(*id).map(Signal::Released))
        }
        Input::Stock(id, answer) => {
            let current = *id == order.current_reservation();
            known(current, asked.reservations > 0, Signal::Stock(answer))
        }
        Input::Payment(id, answer) => known(
            *id == order.payment(),
            asked.payment,
            Signal::Payment(answer),
        ),
        Input::Refund(id, answer) => {
            known(*id == order.refund(), asked.payment, Signal::Refund(answer))
        }
        // Taken before, in every phase alike.
        Input::Dispute(..) => Ok(None),
        Input::Shipment(id, news) => known(
            *id == order.shipment(),
            asked.shipment,
            Signal::Shipment(news),
        ),
        Input::Cancel { note, actor } => Ok(Some(Signal::Cancel { note, actor })),
        Input::Deadline => Ok(Some(Signal::Deadline)),
        Input::Operator { actor, verb } => Ok(Some(Signal::Operator { actor, verb })),
    }
}

impl Moment<'_> {
    /// A dispute may begin in any phase and long after the last: it is written into the history for
    /// whoever looks at the order, and neither the phase nor its timer moves. What it bars, the
    /// payment service refuses, and that answer calls a person where one is needed.
    fn disputed(&self, payment: PaymentId, news: &DisputeNews) -> Answer {
        if payment != self.order.payment() {
            return Ok(Reaction::Ignored(Ignored::Stale));
        }
        if !self.order.saga.asked.payment {
            return ILLEGAL;
        }
        match news {
            DisputeNews::Begun { text } => self.note(EventKind::PaymentDisputed, text.as_str()),
            DisputeNews::Closed { text } => self.note(EventKind::DisputeClosed, text.as_str()),
        }
    }

    /// A refund that the order did not ask for: a caller of the payment service did, at any time after
    /// the capture and as often as there is money left. It is written into the history and told, and
    /// moves nothing.
    fn refunded_beside(&self, refund: RefundId, answer: &RefundAnswer) -> Answer {
        if !self.order.saga.asked.payment {
            return ILLEGAL;
        }
        match answer {
            RefundAnswer::Succeeded { amount } => {
                let mut transition = self.start();
                let amount = *amount;
                transition.facts.push(Fact::Refunded { refund, amount });
                let text = format!(
                    "{} {} (minor units) of the payment went back ({refund})",
                    amount.minor_units(),
                    amount.currency()
                );
                let phase = self.order.saga.phase.clone();
                transition.stay(phase, EventKind::Refunded, text);
                transition.done()
            }
            RefundAnswer::Failed { reason } => {
                let text = format!("a refund failed: {reason} ({refund})");
                self.note(EventKind::RefundFailed, text)
            }
        }
    }

    /// The transition table: one function a phase, one exhaustive match a function.
    fn dispatch(&self, signal: Signal<'_>) -> Answer {
        match &self.order.saga.phase {
            Phase::Reserving => self.reserving(signal),
            Phase::Authorizing(now) => self.authorizing(*now, signal),
            Phase::Confirming(now) => self.confirming(*now, signal),
            Phase::Confirmed => self.confirmed(signal),
            Phase::Capturing { parcel } => self.capturing(*parcel, signal),
            Phase::Shipped => self.shipped(signal),
            Phase::Delivered => self.delivered(signal),
            Phase::Returned => self.returned(signal),
            Phase::Returning {
                refunded,
                restocked,
            } => self.returning(*refunded, *restocked, signal),
            Phase::Cancelling(now) => self.cancelling(now, signal),
            Phase::Cancelled => self.cancelled(signal),
            Phase::Rejected { .. } => self.rejected(signal),
            Phase::NeedsAttention(stuck) => self.attention(stuck, signal),
        }
    }

    fn start(&self) -> Transition {
        Transition::from(self.order)
    }
}
