//! Returning: the parcel came back; the money is refunded and the stock put back, in parallel.

use super::fulfilling::captured_payment;
use super::{Answer, ILLEGAL, LATE, Moment, Refusal, Signal};
use crate::domain::event::EventKind;
use crate::domain::input::{PaymentAnswer, RefundAnswer, ShipmentNews, StockAnswer};
use crate::domain::phase::{Attention, Phase};
use crate::domain::step::Step;

impl Moment<'_> {
    pub(super) fn returning(&self, refunded: bool, restocked: bool, signal: Signal<'_>) -> Answer {
        match signal {
            Signal::Refund(RefundAnswer::Succeeded { .. }) if refunded => LATE,
            Signal::Refund(RefundAnswer::Succeeded { .. }) => {
                self.returning_done(true, restocked, EventKind::Refunded, "the money went back")
            }
            Signal::Refund(RefundAnswer::Failed { reason }) if refunded => {
                self.refund_came_back(restocked, reason)
            }
            Signal::Refund(RefundAnswer::Failed { reason }) => self.call_person(
                Step::RefundPayment,
                Phase::Returning {
                    refunded,
                    restocked,
                },
                EventKind::RefundFailed,
                format!("the refund was refused: {reason}"),
            ),
            Signal::Released(number) => {
                if restocked || number != self.order.saga.asked.reservations {
                    return LATE;
                }
                let text = "the goods are back in the stock";
                self.returning_done(refunded, true, EventKind::StockReleased, text)
            }
            // The release answers for all of them, also for a command that was overtaken by it.
            Signal::Stock(
                StockAnswer::Reserved
                | StockAnswer::Rejected { .. }
                | StockAnswer::Committed
                | StockAnswer::CommitRefused { .. }
                | StockAnswer::Released
                | StockAnswer::Expired,
            ) => LATE,
            // Nothing is held or taken after the refund, and payment may say so.
            Signal::Payment(PaymentAnswer::Voided) => LATE,
            Signal::Payment(answer) => captured_payment(answer),
            Signal::Shipment(news) => match news {
                ShipmentNews::Booked { .. }
                | ShipmentNews::HandedOver
                | ShipmentNews::Exception { .. }
                | ShipmentNews::Returned
                | ShipmentNews::Lost
                | ShipmentNews::Delivered
                | ShipmentNews::VoidRefused => LATE,
                ShipmentNews::BookingFailed { .. } | ShipmentNews::Voided => ILLEGAL,
            },
            Signal::Cancel { .. } => Err(Refusal::AlreadyShipped),
            Signal::Deadline if self.order.timer.attempts >= self.policy.tries_max => {
                let step = if refunded {
                    Step::ReleaseStock
                } else {
                    Step::RefundPayment
                };
                self.call_person(
                    step,
                    self.order.saga.phase.clone(),
                    EventKind::TimedOut,
                    "no answer to the refund or the release",
                )
            }
            Signal::Deadline => self.send_again(None),
            Signal::Operator { .. } => Err(Refusal::NotStuck),
        }
    }

    /// A bank may send money back long after the refund was reported done: the customer is owed it
    /// again, which only a person can settle. One is called once; repetitions change nothing.
    pub(super) fn refund_came_back(&self, restocked: bool, reason: &str) -> Answer {
        if self.order.saga.asked.refund_failed_late {
            return LATE;
        }
        let mut transition = self.start();
        transition.saga.asked.refund_failed_late = true;
        let reason = format!("the refund failed after it was done: {reason}");
        let stuck = Phase::NeedsAttention(Attention {
            step: Step::RefundPayment,
            reason: reason.clone(),
            back: Box::new(Phase::Returning {
                refunded: false,
                restocked,
            }),
        });
        transition.enter(self, stuck, EventKind::RefundFailed, reason);
        transition.done()
    }

    fn returning_done(
        &self,
        refunded: bool,
        restocked: bool,
        kind: EventKind,
        text: &str,
    ) -> Answer {
        let mut transition = self.start();
        let phase = Phase::Returning {
            refunded,
            restocked,
        };
        transition.stay(phase, kind, text);
        if refunded && restocked {
            let text = "money and goods are back";
            transition.enter(self, Phase::Returned, EventKind::Returned, text);
        }
        transition.done()
    }
}
