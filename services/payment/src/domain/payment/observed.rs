//! What the provider says, state by state.

use tradepost_types::Money;

use super::{Observation, Payment, Reply, Transition};
use crate::domain::ledger::{Entry, EntryKind};
use crate::domain::state::State;

impl Payment {
    /// Takes what the provider says of the intent.
    pub(super) fn observe(&mut self, observation: Observation) -> Transition {
        match self.state {
            State::Authorizing | State::RequiresAction | State::Unknown => {
                self.observed_while_authorizing(observation)
            }
            State::Authorized => self.observed_while_held(&observation),
            State::Capturing | State::CaptureUnknown => self.observed_while_capturing(observation),
            State::Voiding => self.observed_while_voiding(observation),
            State::Voided | State::Declined | State::AuthorizationExpired => {
                self.observed_when_over(&observation)
            }
            State::Captured | State::PartiallyCaptured | State::Conflicted => Transition::default(),
        }
    }

    fn observed_while_authorizing(&mut self, observation: Observation) -> Transition {
        match observation {
            Observation::Held(amount) if amount != self.amount => self.conflict(),
            Observation::Taken(_) => self.conflict(),
            Observation::Held(_) if self.void_requested => self.go(State::Voiding, None),
            Observation::Held(_) => self.go(State::Authorized, Some(Reply::Authorized)),
            Observation::ActionRequired if self.void_requested => self.go(State::Voiding, None),
            Observation::ActionRequired if self.state == State::RequiresAction => {
                Transition::default()
            }
            Observation::ActionRequired => {
                self.go(State::RequiresAction, Some(Reply::ActionRequired))
            }
            Observation::Declined { reason } | Observation::Refused { reason } => {
                self.decline(reason)
            }
            Observation::Canceled => self.decline("CANCELED".to_owned()),
            // Created again under the same key, which is safe even if the search was behind.
            Observation::Absent if self.state == State::Unknown => {
                self.go(State::Authorizing, None)
            }
            Observation::Absent | Observation::Processing => Transition::default(),
        }
    }

    fn observed_while_held(&mut self, observation: &Observation) -> Transition {
        match observation {
            Observation::Canceled => {
                self.state = State::AuthorizationExpired;
                self.release(None)
            }
            Observation::Taken(_) => self.conflict(),
            Observation::Held(amount) if *amount != self.amount => self.conflict(),
            Observation::Held(_)
            | Observation::ActionRequired
            | Observation::Declined { .. }
            | Observation::Refused { .. }
            | Observation::Processing
            | Observation::Absent => Transition::default(),
        }
    }

    fn observed_while_capturing(&mut self, observation: Observation) -> Transition {
        match observation {
            Observation::Taken(amount) if Some(amount) == self.capture_amount => self.taken(amount),
            Observation::Taken(_) => self.conflict(),
            Observation::Held(_) if self.void_requested && self.state == State::CaptureUnknown => {
                self.go(State::Voiding, None)
            }
            Observation::Held(_) => self.go(State::Capturing, None),
            Observation::Canceled => {
                self.state = State::AuthorizationExpired;
                let reason = "AUTHORIZATION_EXPIRED".to_owned();
                let reply = if self.void_requested {
                    self.state = State::Voided;
                    Reply::Voided
                } else {
                    Reply::CaptureFailed { reason }
                };
                self.release(Some(reply))
            }
            Observation::Refused { .. } if self.void_requested => self.go(State::Voiding, None),
            Observation::Refused { reason } => {
                self.go(State::Authorized, Some(Reply::CaptureFailed { reason }))
            }
            // Late news of an attempt before the hold, or the truth: the answer to a call tells.
            Observation::Declined { .. } if self.state == State::Capturing => Transition::default(),
            Observation::Declined { .. } if self.void_requested => self.go(State::Voiding, None),
            Observation::Declined { .. } => self.go(State::Capturing, None),
            // Under way: asking tells more than a second call would.
            Observation::Processing => self.go(State::CaptureUnknown, None),
            Observation::ActionRequired | Observation::Absent => Transition::default(),
        }
    }

    fn observed_while_voiding(&mut self, observation: Observation) -> Transition {
        match observation {
            Observation::Canceled => {
                self.state = State::Voided;
                self.release(Some(Reply::Voided))
            }
            // A capture that was on its way when the void was asked for.
            Observation::Taken(amount) if self.can_be_taken(amount) => self.taken(amount),
            Observation::Taken(_) => self.conflict(),
            Observation::Refused { reason } => {
                self.go(State::Conflicted, Some(Reply::VoidFailed { reason }))
            }
            // An intent is known to exist here: only the answer to the cancellation says that
            // nothing is held, not a customer who failed to act nor a search that lagged behind.
            Observation::Held(_)
            | Observation::ActionRequired
            | Observation::Declined { .. }
            | Observation::Processing
            | Observation::Absent => Transition::default(),
        }
    }

    /// A late success: what is held against all expectation is let go, once.
    fn observed_when_over(&mut self, observation: &Observation) -> Transition {
        match observation {
            Observation::Held(amount) if amount.is_positive() => {
                if !self.amount.is_positive() {
                    // The void came first and nobody knew the amount.
                    *self = Self::tombstone(*amount);
                }
                self.state = State::Voiding;
                let hold = Entry {
                    kind: EntryKind::Hold,
                    amount: self.amount,
                };
                Transition {
                    entries: vec![hold],
                    ..Transition::default()
                }
            }
            Observation::Held(_)
            | Observation::ActionRequired
            | Observation::Declined { .. }
            | Observation::Refused { .. }
            | Observation::Taken(_)
            | Observation::Canceled
            | Observation::Processing
            | Observation::Absent => Transition::default(),
        }
    }

    fn taken(&mut self, amount: Money) -> Transition {
        self.captured = amount;
        self.state = if amount == self.amount {
            State::Captured
        } else {
            State::PartiallyCaptured
        };
        let capture = Entry {
            kind: EntryKind::Capture,
            amount,
        };
        // Whoever wants it undone is told when the refund went through.
        let reply = if self.void_requested {
            None
        } else {
            Some(Reply::Captured(amount))
        };
        let mut transition = self.release(reply);
        transition.entries.push(capture);
        transition.refund_all = self.void_requested;
        transition
    }

    fn decline(&mut self, reason: String) -> Transition {
        let reply = if self.void_requested {
            self.state = State::Voided;
            Reply::Voided
        } else {
            self.state = State::Declined;
            Reply::Declined {
                reason: reason.clone(),
            }
        };
        self.decline_reason = Some(reason);
        self.release(Some(reply))
    }

    fn conflict(&mut self) -> Transition {
        self.go(State::Conflicted, Some(Reply::Conflicted))
    }
}
