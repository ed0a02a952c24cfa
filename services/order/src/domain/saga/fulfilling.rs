//! From confirmed to shipped: the carrier's news drive the order, the money is taken at hand-over.

use super::confirming::{further, late_payment, parcel_text};
use super::reserving::cancel_text;
use super::{Answer, ILLEGAL, LATE, Moment, Refusal, Signal};
use crate::domain::event::EventKind;
use crate::domain::input::{PaymentAnswer, ShipmentNews, StockAnswer};
use crate::domain::phase::{Attention, Outcome, Parcel, Phase};
use crate::domain::saga::Transition;
use crate::domain::step::Step;

impl Moment<'_> {
    pub(super) fn confirmed(&self, signal: Signal<'_>) -> Answer {
        match signal {
            Signal::Shipment(news) => match news {
                ShipmentNews::HandedOver
                | ShipmentNews::Delivered
                | ShipmentNews::Returned
                | ShipmentNews::Lost => match further(Parcel::Booked, news) {
                    Some((parcel, kind, _)) => {
                        let mut transition = self.start();
                        self.under_way(&mut transition, parcel, kind);
                        transition.done()
                    }
                    None => LATE,
                },
                ShipmentNews::Booked { .. } | ShipmentNews::VoidRefused => LATE,
                ShipmentNews::Exception { description } => {
                    self.note(EventKind::ShipmentException, description.clone())
                }
                ShipmentNews::BookingFailed { .. } | ShipmentNews::Voided => ILLEGAL,
            },
            Signal::Stock(answer) => late_stock(answer),
            Signal::Payment(answer) => late_payment(answer),
            Signal::Released(_) | Signal::Refund(_) => ILLEGAL,
            Signal::Cancel { note, actor } => self.undo(
                Outcome::Cancelled,
                EventKind::CancelRequested,
                cancel_text(note, actor),
            ),
            Signal::Deadline => self.call_person(
                Step::AwaitHandOver,
                Phase::Confirmed,
                EventKind::TimedOut,
                "the carrier has not fetched the parcel in time",
            ),
            Signal::Operator { .. } => Err(Refusal::NotStuck),
        }
    }

    pub(super) fn capturing(&self, parcel: Parcel, signal: Signal<'_>) -> Answer {
        match signal {
            Signal::Payment(answer) => match answer {
                PaymentAnswer::Captured => {
                    let mut transition = self.start();
                    let text = "the money is taken";
                    transition.enter(self, Phase::Shipped, EventKind::PaymentCaptured, text);
                    self.catch_up(&mut transition, parcel);
                    transition.done()
                }
                PaymentAnswer::CaptureFailed { reason } => self.call_person(
                    Step::CapturePayment,
                    Phase::Capturing { parcel },
                    EventKind::CaptureFailed,
                    format!("the money could not be taken: {reason}"),
                ),
                PaymentAnswer::Authorized
                | PaymentAnswer::ActionRequired
                | PaymentAnswer::OutcomeUnknown => LATE,
                PaymentAnswer::Declined { .. }
                | PaymentAnswer::Conflicted
                | PaymentAnswer::Voided
                | PaymentAnswer::VoidFailed { .. } => ILLEGAL,
            },
            Signal::Shipment(news) => match news {
                ShipmentNews::Delivered | ShipmentNews::Returned | ShipmentNews::Lost => {
                    match further(parcel, news) {
                        Some((parcel, kind, text)) => {
                            self.stay(Phase::Capturing { parcel }, kind, text)
                        }
                        None => LATE,
                    }
                }
                ShipmentNews::Booked { .. }
                | ShipmentNews::HandedOver
                | ShipmentNews::VoidRefused => LATE,
                ShipmentNews::Exception { description } => {
                    self.note(EventKind::ShipmentException, description.clone())
                }
                ShipmentNews::BookingFailed { .. } | ShipmentNews::Voided => ILLEGAL,
            },
            Signal::Stock(answer) => late_stock(answer),
            Signal::Released(_) | Signal::Refund(_) => ILLEGAL,
            Signal::Cancel { .. } => Err(Refusal::AlreadyShipped),
            Signal::Deadline if self.order.timer.attempts >= self.policy.tries_max => self
                .call_person(
                    Step::CapturePayment,
                    Phase::Capturing { parcel },
                    EventKind::TimedOut,
                    "payment does not answer the capture",
                ),
            Signal::Deadline => self.send_again(None),
            Signal::Operator { .. } => Err(Refusal::NotStuck),
        }
    }

    pub(super) fn shipped(&self, signal: Signal<'_>) -> Answer {
        match signal {
            Signal::Shipment(news) => match news {
                ShipmentNews::Delivered | ShipmentNews::Returned | ShipmentNews::Lost => {
                    match further(Parcel::HandedOver, news) {
                        Some((parcel, _, _)) => {
                            let mut transition = self.start();
                            self.catch_up(&mut transition, parcel);
                            transition.done()
                        }
                        None => LATE,
                    }
                }
                ShipmentNews::Booked { .. }
                | ShipmentNews::HandedOver
                | ShipmentNews::VoidRefused => LATE,
                ShipmentNews::Exception { description } => {
                    self.note(EventKind::ShipmentException, description.clone())
                }
                ShipmentNews::BookingFailed { .. } | ShipmentNews::Voided => ILLEGAL,
            },
            Signal::Payment(answer) => captured_payment(answer),
            Signal::Stock(answer) => late_stock(answer),
            Signal::Released(_) | Signal::Refund(_) => ILLEGAL,
            Signal::Cancel { .. } => Err(Refusal::AlreadyShipped),
            Signal::Deadline => self.call_person(
                Step::AwaitDelivery,
                Phase::Shipped,
                EventKind::TimedOut,
                "the parcel neither arrived nor came back in time",
            ),
            Signal::Operator { .. } => Err(Refusal::NotStuck),
        }
    }

    /// From shipped to where the parcel is by the news.
    pub(super) fn catch_up(&self, transition: &mut Transition, parcel: Parcel) {
        let text = parcel_text(parcel);
        match parcel {
            Parcel::Awaited | Parcel::Booked | Parcel::HandedOver => {}
            Parcel::Delivered => {
                transition.enter(self, Phase::Delivered, EventKind::Delivered, text);
            }
            Parcel::Returned => {
                let phase = Phase::Returning {
                    refunded: !self.order.needs_payment(),
                    restocked: false,
                };
                transition.enter(self, phase, EventKind::ShipmentReturned, text);
            }
            Parcel::Lost => {
                let stuck = Phase::NeedsAttention(Attention {
                    step: Step::FindParcel,
                    reason: text.to_owned(),
                    back: Box::new(Phase::Shipped),
                });
                transition.enter(self, stuck, EventKind::ShipmentLost, text);
            }
        }
    }
}

/// After the sale its answers may come again; others contradict it.
pub(super) fn late_stock(answer: &StockAnswer) -> Answer {
    match answer {
        StockAnswer::Reserved | StockAnswer::Committed | StockAnswer::Released => LATE,
        StockAnswer::Rejected { .. } | StockAnswer::CommitRefused { .. } | StockAnswer::Expired => {
            ILLEGAL
        }
    }
}

/// After the capture the answers before it may come again; others contradict it.
pub(super) fn captured_payment(answer: &PaymentAnswer) -> Answer {
    match answer {
        PaymentAnswer::Authorized
        | PaymentAnswer::ActionRequired
        | PaymentAnswer::OutcomeUnknown
        | PaymentAnswer::Captured
        // A failure that an operator mended, delivered twice.
        | PaymentAnswer::CaptureFailed { .. } => LATE,
        PaymentAnswer::Declined { .. }
        | PaymentAnswer::Conflicted
        | PaymentAnswer::Voided
        | PaymentAnswer::VoidFailed { .. } => ILLEGAL,
    }
}
