//! A payment: one attempt to take the money of one order.
//!
//! [`Payment::apply`] is the one transition table, total over states and inputs. Its rules: an
//! outcome that is not known is never guessed, a void is remembered until it can be carried out,
//! and a late success after a void is undone. Late and repeated news change nothing.

mod observed;

use tradepost_types::{Money, MoneyError};

use super::ledger::{Entry, EntryKind};
use super::state::State;

/// What the provider says of the intent, from an answer, a search or a webhook alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation {
    /// The money is held.
    Held(Money),
    /// The customer has to act.
    ActionRequired,
    /// The card said no: nothing is held. Late news may say so of an attempt before the present one.
    Declined {
        /// Why, as a stable word, e.g. `INSUFFICIENT_FUNDS`.
        reason: String,
    },
    /// The call itself was refused for good.
    Refused {
        /// Why, as a stable word.
        reason: String,
    },
    /// The money was taken.
    Taken(Money),
    /// Nothing is held any more.
    Canceled,
    /// The provider is at it.
    Processing,
    /// The provider does not know our reference.
    Absent,
}

/// What can happen to a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The order asks to hold the money, or asks again.
    Authorize,
    /// The order asks to take it: this much, or all.
    Capture(Option<Money>),
    /// The order asks to let it go, whatever the state.
    Void,
    /// The provider said something.
    Observed(Observation),
    /// The provider gave no answer: the call may or may not have had its effect.
    NoAnswer,
    /// Everything that was captured has been refunded.
    FullyRefunded,
}

/// What the order is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The money is held.
    Authorized,
    /// Nothing is held, and nothing ever will be.
    Declined {
        /// Why.
        reason: String,
    },
    /// The customer has to act.
    ActionRequired,
    /// Not known yet.
    OutcomeUnknown,
    /// The provider's amount differs from ours.
    Conflicted,
    /// The money is taken.
    Captured(Money),
    /// It could not be taken.
    CaptureFailed {
        /// Why.
        reason: String,
    },
    /// Nothing is held or taken, and nothing ever will be.
    Voided,
    /// The provider refused for good.
    VoidFailed {
        /// Why.
        reason: String,
    },
}

/// What follows from an input, besides the new state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transition {
    /// What the order is told.
    pub reply: Option<Reply>,
    /// What the ledger records.
    pub entries: Vec<Entry>,
    /// Whether all that was captured has to be refunded now.
    pub refund_all: bool,
}

impl Transition {
    fn reply(reply: Reply) -> Self {
        Self {
            reply: Some(reply),
            ..Self::default()
        }
    }

    fn capture_failed(reason: &str) -> Self {
        Self::reply(Reply::CaptureFailed {
            reason: reason.to_owned(),
        })
    }
}

/// A payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// What was asked for; above zero.
    pub amount: Money,
    /// Where it stands.
    pub state: State,
    /// What a capture under way asked for.
    pub capture_amount: Option<Money>,
    /// What was taken.
    pub captured: Money,
    /// What was refunded or is set aside for it.
    pub refunded: Money,
    /// What of it the customer got back through the bank; it follows from the disputes.
    pub lost: Money,
    /// The order wants it undone, whatever becomes of it.
    pub void_requested: bool,
    /// Every refund of what was captured has succeeded; money merely set aside does not count.
    pub fully_refunded: bool,
    /// Why it was declined.
    pub decline_reason: Option<String>,
}

impl Payment {
    /// A payment that was just asked for, and the entry that notes the hold before the provider is
    /// asked.
    #[must_use]
    pub const fn start(amount: Money) -> (Self, Entry) {
        (
            Self::in_state(amount, State::Authorizing),
            Entry {
                kind: EntryKind::Hold,
                amount,
            },
        )
    }

    /// What is remembered when a void comes for a payment that was never asked for: a late
    /// request finds it and holds nothing.
    #[must_use]
    pub const fn tombstone(amount: Money) -> Self {
        let mut payment = Self::in_state(amount, State::Voided);
        payment.void_requested = true;
        payment
    }

    const fn in_state(amount: Money, state: State) -> Self {
        Self {
            amount,
            state,
            capture_amount: None,
            captured: Money::zero(amount.currency()),
            refunded: Money::zero(amount.currency()),
            lost: Money::zero(amount.currency()),
            void_requested: false,
            fully_refunded: false,
            decline_reason: None,
        }
    }

    /// Whether nothing of what was captured is ours any more: refunded, on its way back, or lost.
    #[must_use]
    pub const fn is_gone(&self) -> bool {
        let refunded = self.refunded.minor_units();
        refunded.saturating_add(self.lost.minor_units()) >= self.captured.minor_units()
    }

    /// What was captured and not refunded; disputes may leave less of it to be refunded.
    ///
    /// # Errors
    /// [`MoneyError`] for a row that breaks `refunded <= captured`; such a row is never loaded.
    pub fn refundable(&self) -> Result<Money, MoneyError> {
        self.captured.checked_sub(self.refunded)
    }

    /// Takes an input: the one transition table.
    pub fn apply(&mut self, input: Input) -> Transition {
        match input {
            Input::Authorize => self.authorize_again(),
            Input::Capture(amount) => self.capture(amount.unwrap_or(self.amount)),
            Input::Void => self.void(),
            Input::NoAnswer => self.no_answer(),
            Input::FullyRefunded => self.note_full_refund(),
            Input::Observed(observation) => self.observe(observation),
        }
    }

    /// The last answer again.
    fn authorize_again(&self) -> Transition {
        let reply = match self.state {
            State::Authorizing | State::Voiding => return Transition::default(),
            State::RequiresAction => Reply::ActionRequired,
            State::Unknown => Reply::OutcomeUnknown,
            State::Authorized
            | State::Capturing
            | State::CaptureUnknown
            | State::Captured
            | State::PartiallyCaptured => Reply::Authorized,
            State::Declined => Reply::Declined {
                reason: self.declined_because(),
            },
            State::AuthorizationExpired => Reply::Declined {
                reason: "AUTHORIZATION_EXPIRED".to_owned(),
            },
            State::Voided => Reply::Voided,
            State::Conflicted => Reply::Conflicted,
        };
        Transition::reply(reply)
    }

    fn capture(&mut self, amount: Money) -> Transition {
        match self.state {
            State::Authorized => {
                if !amount.is_positive() {
                    return Transition::capture_failed("AMOUNT_NOT_POSITIVE");
                }
                if !self.can_be_taken(amount) {
                    return Transition::capture_failed("AMOUNT_TOO_LARGE");
                }
                self.state = State::Capturing;
                self.capture_amount = Some(amount);
                Transition::default()
            }
            State::Capturing | State::CaptureUnknown => Transition::default(),
            State::Captured | State::PartiallyCaptured => {
                Transition::reply(Reply::Captured(self.captured))
            }
            State::AuthorizationExpired => Transition::capture_failed("AUTHORIZATION_EXPIRED"),
            State::Conflicted => Transition::capture_failed("CONFLICTED"),
            State::Voiding | State::Voided => Transition::capture_failed("VOIDED"),
            State::Authorizing | State::RequiresAction | State::Declined | State::Unknown => {
                Transition::capture_failed("NOT_AUTHORIZED")
            }
        }
    }

    fn void(&mut self) -> Transition {
        if self.state == State::Conflicted {
            return Transition::reply(Reply::VoidFailed {
                reason: "CONFLICTED".to_owned(),
            });
        }
        self.void_requested = true;
        match self.state {
            // The answer is awaited first; then what it brought is undone.
            State::Authorizing | State::Unknown | State::Capturing | State::CaptureUnknown => {
                Transition::default()
            }
            State::RequiresAction | State::Authorized => {
                self.state = State::Voiding;
                Transition::default()
            }
            State::Voiding => Transition::default(),
            State::Captured | State::PartiallyCaptured if self.fully_refunded => {
                Transition::reply(Reply::Voided)
            }
            // On its way back: answered when it has arrived, not before.
            State::Captured | State::PartiallyCaptured if self.is_gone() => Transition::default(),
            State::Captured | State::PartiallyCaptured => Transition {
                refund_all: true,
                ..Transition::default()
            },
            State::Declined | State::AuthorizationExpired | State::Voided => {
                self.state = State::Voided;
                Transition::reply(Reply::Voided)
            }
            State::Conflicted => Transition::default(),
        }
    }

    fn no_answer(&mut self) -> Transition {
        match self.state {
            State::Authorizing => {
                self.state = State::Unknown;
                Transition::reply(Reply::OutcomeUnknown)
            }
            State::Capturing => {
                self.state = State::CaptureUnknown;
                Transition::default()
            }
            State::RequiresAction
            | State::Authorized
            | State::Declined
            | State::Unknown
            | State::PartiallyCaptured
            | State::Captured
            | State::CaptureUnknown
            | State::Voiding
            | State::Voided
            | State::AuthorizationExpired
            | State::Conflicted => Transition::default(),
        }
    }

    fn note_full_refund(&mut self) -> Transition {
        match self.state {
            State::Captured | State::PartiallyCaptured => {
                let first = !std::mem::replace(&mut self.fully_refunded, true);
                if first && self.void_requested {
                    Transition::reply(Reply::Voided)
                } else {
                    Transition::default()
                }
            }
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
            | State::Conflicted => Transition::default(),
        }
    }

    /// Whether it is a part of what was asked for, or all of it.
    fn can_be_taken(&self, amount: Money) -> bool {
        amount.currency() == self.amount.currency()
            && amount.is_positive()
            && amount.minor_units() <= self.amount.minor_units()
    }

    fn go(&mut self, state: State, reply: Option<Reply>) -> Transition {
        self.state = state;
        Transition {
            reply,
            ..Transition::default()
        }
    }

    /// The hold's memo entry taken back.
    fn release(&self, reply: Option<Reply>) -> Transition {
        let release = Entry {
            kind: EntryKind::Release,
            amount: self.amount,
        };
        Transition {
            reply,
            entries: vec![release],
            refund_all: false,
        }
    }

    fn declined_because(&self) -> String {
        self.decline_reason
            .clone()
            .unwrap_or_else(|| "DECLINED".to_owned())
    }
}

#[cfg(test)]
mod tests;
