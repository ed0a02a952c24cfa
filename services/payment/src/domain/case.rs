//! A payment with its refunds: what one of them does to the others, and when to ask again.

mod disputes;

use tradepost_types::{DisputeId, Money, OrderId, PaymentId, RefundId, TenantId};

use super::dispute::{Dispute, DisputeReply};
use super::ledger::{Entry, EntryKind};
use super::payment::{Input, Observation, Payment, Reply, Transition};
use super::refund::{Refund, RefundInput, RefundReply};
use super::state::State;

/// Why a refund is refused that a dispute stands against, by us as by the provider.
const DISPUTED: &str = "PAYMENT_DISPUTED";

/// Who asked for a refund, hence who is told of its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The order, by a command.
    Command,
    /// A caller of the service.
    Request,
    /// A void that came after the money was taken.
    Void,
}

impl Origin {
    /// Every origin, for tables.
    pub const ALL: [Self; 3] = [Self::Command, Self::Request, Self::Void];

    /// The name that tables hold.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Request => "request",
            Self::Void => "void",
        }
    }

    /// The origin of that name, if there is one.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|origin| origin.name() == name)
    }
}

/// A refund of the case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundCase {
    /// The refund.
    pub refund: Refund,
    /// Who asked for it.
    pub origin: Origin,
    /// The provider's name of it, once known.
    pub reference: Option<String>,
    /// Fruitless calls in a row.
    pub attempts: u32,
}

/// How many refunds of a payment people may ask for: all of them are read with it whenever it changes.
/// What a saga gives back has no bound, since it is owed; it asks a few times at most.
const REFUNDS_MAX: usize = 1_000;

/// Why a refund cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RefundRefusal {
    /// Nothing was taken.
    #[error("the payment is not captured")]
    NotCaptured,
    /// More than was taken and not yet given back.
    #[error("the refund exceeds what can still be refunded")]
    ExceedsCaptured,
    /// Another currency than the payment's.
    #[error("the refund is in another currency than the payment")]
    CurrencyMismatch,
    /// Zero or less.
    #[error("the refund is not above zero")]
    NotPositive,
    /// It would be possible but for a dispute that is open or lost.
    #[error("what is to be refunded is disputed")]
    Disputed,
    /// There are [`REFUNDS_MAX`] already.
    #[error("the payment has had too many refunds")]
    TooMany,
}

impl RefundRefusal {
    /// The stable word for programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotCaptured => "PAYMENT_NOT_CAPTURED",
            Self::ExceedsCaptured => "REFUND_EXCEEDS_CAPTURED",
            Self::CurrencyMismatch => "CURRENCY_MISMATCH",
            Self::NotPositive => "AMOUNT_NOT_POSITIVE",
            Self::Disputed => DISPUTED,
            Self::TooMany => "REFUNDS_TOO_MANY",
        }
    }
}

/// What the order is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Of the payment.
    Payment(Reply),
    /// Of a refund.
    Refund(RefundId, Money, RefundReply),
    /// Of a dispute, as it is now.
    Dispute(Box<Dispute>, DisputeReply),
}

/// The part of a case that an entry is about, if it is not the payment as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A refund.
    Refund(RefundId),
    /// A dispute.
    Dispute(DisputeId),
}

/// What follows, besides the changed case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Effects {
    /// What the order is told.
    pub told: Vec<Told>,
    /// What the ledger records, and for which part.
    pub entries: Vec<(Entry, Option<Part>)>,
}

impl Effects {
    fn join(&mut self, other: Self) {
        self.told.extend(other.told);
        self.entries.extend(other.entries);
    }
}

/// A payment with its refunds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Whose it is.
    pub tenant: TenantId,
    /// The payment's id.
    pub id: PaymentId,
    /// The order it pays.
    pub order: OrderId,
    /// The payment.
    pub payment: Payment,
    /// The provider's name of it, once known.
    pub reference: Option<String>,
    /// Fruitless calls in a row.
    pub attempts: u32,
    /// Its refunds, oldest first.
    pub refunds: Vec<RefundCase>,
    /// Its disputes, oldest first.
    pub disputes: Vec<Dispute>,
}

impl Case {
    /// A case whose payment was just asked for, with the entry of its hold.
    #[must_use]
    pub fn open(tenant: TenantId, id: PaymentId, order: OrderId, amount: Money) -> (Self, Effects) {
        let (payment, hold) = Payment::start(amount);
        let effects = Effects {
            told: Vec::new(),
            entries: vec![(hold, None)],
        };
        (Self::with(tenant, id, order, payment), effects)
    }

    /// A case without refunds.
    #[must_use]
    pub const fn with(tenant: TenantId, id: PaymentId, order: OrderId, payment: Payment) -> Self {
        Self {
            tenant,
            id,
            order,
            payment,
            reference: None,
            attempts: 0,
            refunds: Vec::new(),
            disputes: Vec::new(),
        }
    }

    /// Takes an input about the payment.
    pub fn take(&mut self, input: Input) -> Effects {
        let fruitless = is_fruitless(&input);
        let is_void = input == Input::Void;
        let before = self.payment.state;
        let transition = self.payment.apply(input);
        self.attempts = match (fruitless, before == self.payment.state) {
            (true, _) => self.attempts.saturating_add(1),
            (false, true) => self.attempts,
            (false, false) => 0,
        };
        let mut effects = self.follow(transition);
        if is_void && effects.told.is_empty() {
            // A repeated void of what has long been given back repeats its answer.
            effects.join(self.check_given_back());
        }
        effects
    }

    /// No call was made: the provider was out of reach, or asked to wait.
    pub const fn postponed(&mut self) {
        self.attempts = self.attempts.saturating_add(1);
    }

    /// Sets an amount aside and asks for its refund; `None` is all that is left.
    ///
    /// # Errors
    /// [`RefundRefusal`]; the case is then unchanged.
    pub fn request_refund(
        &mut self,
        id: RefundId,
        amount: Option<Money>,
        origin: Origin,
    ) -> Result<Effects, RefundRefusal> {
        let amount = self.refund_amount(amount)?;
        if origin == Origin::Request && self.refunds.len() >= REFUNDS_MAX {
            return Err(RefundRefusal::TooMany);
        }
        let refunded = self.payment.refunded.checked_add(amount);
        self.payment.refunded = refunded.map_err(|_beyond| RefundRefusal::ExceedsCaptured)?;
        let (refund, aside) = Refund::request(id, amount);
        self.refunds.push(RefundCase {
            refund,
            origin,
            reference: None,
            attempts: 0,
        });
        Ok(Effects {
            told: Vec::new(),
            entries: vec![(aside, Some(Part::Refund(id)))],
        })
    }

    /// Takes what the provider says of a refund; one that is not of this case changes nothing.
    pub fn take_refund(&mut self, id: RefundId, input: RefundInput) -> Effects {
        let Some(made) = self.refunds.iter_mut().find(|made| made.refund.id == id) else {
            return Effects::default();
        };
        made.attempts = match input {
            RefundInput::NoAnswer | RefundInput::Pending => made.attempts.saturating_add(1),
            RefundInput::Succeeded | RefundInput::Failed { .. } => 0,
        };
        let (reply, entry) = made.refund.apply(input);
        let (origin, amount) = (made.origin, made.refund.amount);
        let mut effects = Effects::default();
        if let Some(entry) = entry {
            if returned(entry.kind) {
                let rest = self.payment.refunded.checked_sub(amount);
                self.payment.refunded = rest.unwrap_or(self.payment.refunded);
                self.payment.fully_refunded = false;
            }
            effects.entries.push((entry, Some(Part::Refund(id))));
        }
        let Some(reply) = reply else { return effects };
        match (origin, reply) {
            (Origin::Void, RefundReply::Failed { reason }) => {
                effects
                    .told
                    .push(Told::Payment(Reply::VoidFailed { reason }));
            }
            (Origin::Void, RefundReply::Succeeded) => effects.join(self.check_given_back()),
            (Origin::Command | Origin::Request, reply) => {
                let failed = matches!(reply, RefundReply::Failed { .. });
                effects.told.push(Told::Refund(id, amount, reply));
                if failed && self.payment.void_requested {
                    effects.join(self.refund_rest());
                } else {
                    effects.join(self.check_given_back());
                }
            }
        }
        effects
    }

    /// Whether the provider has to be called for the payment.
    #[must_use]
    pub const fn is_due(&self) -> bool {
        self.payment.state.due_call().is_some()
    }

    fn refund_amount(&self, wish: Option<Money>) -> Result<Money, RefundRefusal> {
        match self.payment.state {
            State::Captured | State::PartiallyCaptured => {}
            State::Authorizing
            | State::RequiresAction
            | State::Authorized
            | State::Declined
            | State::Unknown
            | State::Capturing
            | State::CaptureUnknown
            | State::Voiding
            | State::Voided
            | State::AuthorizationExpired
            | State::Conflicted => return Err(RefundRefusal::NotCaptured),
        }
        let left = self.payment.refundable();
        let left = left.map_err(|_broken| RefundRefusal::ExceedsCaptured)?;
        let amount = match wish {
            None => self.all_that_is_free(left)?,
            Some(amount) => amount,
        };
        if amount.currency() != left.currency() {
            return Err(RefundRefusal::CurrencyMismatch);
        }
        if !amount.is_positive() {
            return Err(RefundRefusal::NotPositive);
        }
        if amount.minor_units() > left.minor_units() {
            return Err(RefundRefusal::ExceedsCaptured);
        }
        if amount.minor_units() > self.free_of(left) {
            return Err(RefundRefusal::Disputed);
        }
        Ok(amount)
    }

    fn follow(&mut self, transition: Transition) -> Effects {
        let mut effects = Effects {
            told: transition.reply.into_iter().map(Told::Payment).collect(),
            entries: transition
                .entries
                .into_iter()
                .map(|entry| (entry, None))
                .collect(),
        };
        if transition.refund_all {
            effects.join(self.refund_rest());
        }
        effects
    }

    /// Refunds what is left, for a void; each time under an id of its own that a repetition meets.
    fn refund_rest(&mut self) -> Effects {
        let label = format!("void/{}", self.refunds.len());
        let id = RefundId::derive(self.id.as_uuid(), &label);
        match self.request_refund(id, None, Origin::Void) {
            Ok(effects) => effects,
            Err(RefundRefusal::Disputed) => void_failed(DISPUTED),
            // Nothing left is no failure: it is on its way back already.
            Err(
                RefundRefusal::NotCaptured
                | RefundRefusal::ExceedsCaptured
                | RefundRefusal::CurrencyMismatch
                | RefundRefusal::NotPositive
                | RefundRefusal::TooMany,
            ) => Effects::default(),
        }
    }

    /// Tells whoever wanted the payment undone once everything has gone back.
    fn check_given_back(&mut self) -> Effects {
        let done =
            self.payment.is_gone() && !self.refunds.iter().any(|made| made.refund.state.is_due());
        if !done {
            return Effects::default();
        }
        let transition = self.payment.apply(Input::FullyRefunded);
        self.follow(transition)
    }
}

/// Whether the entry makes a refund's amount refundable again.
const fn returned(kind: EntryKind) -> bool {
    match kind {
        EntryKind::RefundGivenBack | EntryKind::RefundReversed => true,
        EntryKind::Hold
        | EntryKind::Release
        | EntryKind::Capture
        | EntryKind::RefundSetAside
        | EntryKind::RefundPaid
        | EntryKind::DisputeWithdrawn
        | EntryKind::DisputeFee
        | EntryKind::DisputeReinstated
        | EntryKind::DisputeFeeReturned
        | EntryKind::DisputeLost
        | EntryKind::DisputeLossReversed => false,
    }
}

/// The void that was wanted cannot be carried out.
fn void_failed(reason: &str) -> Effects {
    let reason = reason.to_owned();
    Effects {
        told: vec![Told::Payment(Reply::VoidFailed { reason })],
        entries: Vec::new(),
    }
}

/// Whether the answer leaves everything as open as it was.
const fn is_fruitless(input: &Input) -> bool {
    match input {
        Input::NoAnswer | Input::Observed(Observation::Processing | Observation::Absent) => true,
        Input::Authorize
        | Input::Capture(_)
        | Input::Void
        | Input::FullyRefunded
        | Input::Observed(
            Observation::Held(_)
            | Observation::ActionRequired
            | Observation::Declined { .. }
            | Observation::Refused { .. }
            | Observation::Taken(_)
            | Observation::Canceled,
        ) => false,
    }
}

#[cfg(test)]
mod tests;
