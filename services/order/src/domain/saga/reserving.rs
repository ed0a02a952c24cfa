//! Reserving: waits for inventory to hold all items.

use super::{Answer, ILLEGAL, LATE, Moment, Refusal, Signal};
use crate::domain::event::EventKind;
use crate::domain::input::StockAnswer;
use crate::domain::phase::{
    Authorizing, Confirming, Outcome, Parcel, PaymentWait, Phase, StockStep,
};

impl Moment<'_> {
    pub(super) fn reserving(&self, signal: Signal<'_>) -> Answer {
        match signal {
            Signal::Stock(answer) => self.reserving_answered(answer),
            // Nothing was released, and nobody else was asked.
            Signal::Released(_) | Signal::Payment(_) | Signal::Refund(_) | Signal::Shipment(_) => {
                ILLEGAL
            }
            Signal::Cancel { note, actor } => {
                let text = cancel_text(note, actor);
                self.undo(Outcome::Cancelled, EventKind::CancelRequested, text)
            }
            Signal::Deadline if self.is_over(self.order.created_at, self.policy.age_max) => self
                .undo(
                    Outcome::Rejected("STOCK_TIMEOUT".to_owned()),
                    EventKind::TimedOut,
                    "inventory did not answer in time",
                ),
            Signal::Deadline => self.send_again(Some(self.order.created_at + self.policy.age_max)),
            Signal::Operator { .. } => Err(Refusal::NotStuck),
        }
    }

    fn reserving_answered(&self, answer: &StockAnswer) -> Answer {
        match answer {
            StockAnswer::Reserved if self.order.needs_payment() => self.enter(
                Phase::Authorizing(Authorizing {
                    cancel_requested: false,
                    hold_lost: false,
                    wait: PaymentWait::Answer,
                }),
                EventKind::StockReserved,
                "all items are held",
            ),
            StockAnswer::Reserved => self.enter(
                Phase::Confirming(Confirming {
                    stock: StockStep::Committing,
                    parcel: Parcel::Awaited,
                }),
                EventKind::StockReserved,
                "all items are held; the order is free, so there is nothing to pay",
            ),
            StockAnswer::Rejected { reason, shortfall } => {
                let mut transition = self.start();
                let text = rejected_text(reason, shortfall);
                let phase = Phase::Rejected {
                    reason: reason.clone(),
                };
                transition.stay(
                    self.order.saga.phase.clone(),
                    EventKind::StockRejected,
                    text,
                );
                let (_, kind, text) = Outcome::Rejected(reason.clone()).end();
                transition.enter(self, phase, kind, text);
                transition.done()
            }
            StockAnswer::Expired => {
                // The answer "reserved" was overtaken or lost: this hold is gone, ask for another.
                let mut transition = self.start();
                transition.saga.asked.reservations += 1;
                let text = "the hold ran out; the items are reserved again";
                transition.resume(self, Phase::Reserving, EventKind::HoldExpired, text);
                transition.done()
            }
            // Nothing was to be committed yet.
            StockAnswer::Committed | StockAnswer::CommitRefused { .. } => ILLEGAL,
            // Comes as a signal of its own.
            StockAnswer::Released => LATE,
        }
    }
}

pub(super) fn cancel_text(note: &str, actor: &str) -> String {
    if note.is_empty() {
        format!("asked by {actor}")
    } else {
        format!("asked by {actor}: {note}")
    }
}

pub(super) fn rejected_text(reason: &str, shortfall: &str) -> String {
    if shortfall.is_empty() {
        reason.to_owned()
    } else {
        format!("{reason}: {shortfall}")
    }
}
