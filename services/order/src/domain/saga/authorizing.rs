//! Authorizing: the stock is held, the money is asked for. An unknown outcome is never charged
//! again and never compensated by the order itself: payment resolves it.

use super::reserving::cancel_text;
use super::{Answer, ILLEGAL, LATE, Moment, Refusal, Signal};
use crate::domain::event::EventKind;
use crate::domain::input::{PaymentAnswer, StockAnswer};
use crate::domain::phase::{
    Authorizing, Confirming, Outcome, Parcel, PaymentWait, Phase, StockStep,
};
use crate::domain::saga::Command;
use crate::domain::step::Step;

impl Moment<'_> {
    pub(super) fn authorizing(&self, now: Authorizing, signal: Signal<'_>) -> Answer {
        match signal {
            Signal::Payment(answer) => self.authorizing_answered(now, answer),
            Signal::Stock(answer) => self.authorizing_stock(now, answer),
            Signal::Released(_) | Signal::Refund(_) | Signal::Shipment(_) => ILLEGAL,
            Signal::Cancel { note, actor } => self.authorizing_cancel(now, note, actor),
            Signal::Deadline => self.authorizing_deadline(now),
            Signal::Operator { .. } => Err(Refusal::NotStuck),
        }
    }

    fn authorizing_answered(&self, now: Authorizing, answer: &PaymentAnswer) -> Answer {
        let since = self.now;
        match answer {
            PaymentAnswer::Authorized => self.authorized(now),
            PaymentAnswer::Declined { reason } => {
                let text = format!("card declined: {reason}");
                let outcome = now.outcome(reason);
                self.undo_stock(outcome, EventKind::PaymentDeclined, text)
            }
            PaymentAnswer::Voided => {
                let outcome = now.outcome("PAYMENT_VOIDED");
                let text = "the payment was voided before it was authorised";
                self.undo_stock(outcome, EventKind::PaymentVoided, text)
            }
            PaymentAnswer::ActionRequired => match now.wait {
                PaymentWait::Action { .. } => LATE,
                PaymentWait::Answer | PaymentWait::Unknown { .. } => self.stay(
                    now.waiting(PaymentWait::Action { since }),
                    EventKind::PaymentActionRequired,
                    "the customer has to act",
                ),
            },
            PaymentAnswer::OutcomeUnknown => match now.wait {
                PaymentWait::Unknown { .. } => LATE,
                PaymentWait::Answer | PaymentWait::Action { .. } => self.stay(
                    now.waiting(PaymentWait::Unknown { since }),
                    EventKind::PaymentOutcomeUnknown,
                    "the provider did not answer; it is asked until it does",
                ),
            },
            PaymentAnswer::Conflicted => self.call_person(
                Step::AuthorizePayment,
                Phase::Authorizing(now),
                EventKind::PaymentConflicted,
                "the provider's amount or currency differs from ours",
            ),
            // Neither was asked for.
            PaymentAnswer::Captured
            | PaymentAnswer::CaptureFailed { .. }
            | PaymentAnswer::VoidFailed { .. } => ILLEGAL,
        }
    }

    fn authorized(&self, now: Authorizing) -> Answer {
        let kind = EventKind::PaymentAuthorized;
        if now.cancel_requested {
            let text = "the money is held; it is let go, as the customer asked to cancel";
            return self.undo(Outcome::Cancelled, kind, text);
        }
        let mut transition = self.start();
        let (stock, text) = if now.hold_lost {
            transition.saga.asked.reservations += 1;
            let text = "the money is held; the hold on the stock ran out and is asked for again";
            (StockStep::Reserving, text)
        } else {
            (StockStep::Committing, "the money is held")
        };
        let phase = Phase::Confirming(Confirming {
            stock,
            parcel: Parcel::Awaited,
        });
        transition.enter(self, phase, kind, text);
        transition.done()
    }

    fn authorizing_stock(&self, now: Authorizing, answer: &StockAnswer) -> Answer {
        match answer {
            StockAnswer::Expired if now.hold_lost => LATE,
            StockAnswer::Expired => self.stay(
                Phase::Authorizing(Authorizing {
                    hold_lost: true,
                    ..now
                }),
                EventKind::HoldExpired,
                "the hold on the stock ran out; it is asked for again after the payment's answer",
            ),
            StockAnswer::Reserved | StockAnswer::Released => LATE,
            StockAnswer::Rejected { .. }
            | StockAnswer::Committed
            | StockAnswer::CommitRefused { .. } => ILLEGAL,
        }
    }

    fn authorizing_cancel(&self, now: Authorizing, note: &str, actor: &str) -> Answer {
        let kind = EventKind::CancelRequested;
        match now.wait {
            // The customer who should act wants out: no answer is worth waiting for.
            PaymentWait::Action { .. } => {
                self.undo(Outcome::Cancelled, kind, cancel_text(note, actor))
            }
            PaymentWait::Answer | PaymentWait::Unknown { .. } if now.cancel_requested => LATE,
            PaymentWait::Answer | PaymentWait::Unknown { .. } => self.stay(
                Phase::Authorizing(Authorizing {
                    cancel_requested: true,
                    ..now
                }),
                kind,
                cancel_text(note, actor),
            ),
        }
    }

    fn authorizing_deadline(&self, now: Authorizing) -> Answer {
        let (limit, reason) = match now.wait {
            PaymentWait::Answer => (
                self.order.created_at + self.policy.age_max,
                "PAYMENT_TIMEOUT",
            ),
            PaymentWait::Unknown { since } => (since + self.policy.payment_max, "PAYMENT_TIMEOUT"),
            PaymentWait::Action { since } => {
                (since + self.policy.action_max, "PAYMENT_ACTION_EXPIRED")
            }
        };
        if self.now >= limit {
            let text = format!("no answer of the payment in time: {reason}");
            return self.undo(now.outcome(reason), EventKind::TimedOut, text);
        }
        let mut transition = self.start();
        if !now.hold_lost {
            let reservation = self.order.current_reservation();
            transition.ask([Command::ExtendReservation(reservation)]);
        }
        if now.wait == PaymentWait::Answer {
            transition.ask([Command::AuthorizePayment(self.order.payment())]);
        }
        self.wait_longer(&mut transition, Some(limit));
        transition.done()
    }
}

impl Authorizing {
    fn waiting(self, wait: PaymentWait) -> Phase {
        Phase::Authorizing(Self { wait, ..self })
    }

    /// The customer's wish goes before any other reason.
    fn outcome(self, reason: &str) -> Outcome {
        if self.cancel_requested {
            Outcome::Cancelled
        } else {
            Outcome::Rejected(reason.to_owned())
        }
    }
}
