//! Cancelling: undoes in reverse order. The parcel first, because what the carrier has cannot be
//! undone; then money and stock in parallel.

use super::confirming::{further, parcel_text};
use super::{Answer, ILLEGAL, LATE, Moment, Refusal, Signal};
use crate::domain::event::EventKind;
use crate::domain::input::{PaymentAnswer, ShipmentNews, StockAnswer};
use crate::domain::phase::{Cancelling, Confirming, Outcome, Parcel, Phase, StockStep, Undo};
use crate::domain::saga::Transition;
use crate::domain::step::Step;

impl Moment<'_> {
    /// Begins to undo everything that was ever asked for.
    pub(super) fn undo(
        &self,
        outcome: Outcome,
        kind: EventKind,
        text: impl Into<String>,
    ) -> Answer {
        if !self.order.saga.asked.shipment {
            return self.undo_money_and_stock(outcome, kind, text);
        }
        let (stock, parcel) = match &self.order.saga.phase {
            Phase::Confirming(now) => (now.stock, now.parcel),
            // Only a confirmed order has asked for its shipment besides.
            Phase::Reserving
            | Phase::Authorizing(_)
            | Phase::Confirmed
            | Phase::Capturing { .. }
            | Phase::Shipped
            | Phase::Delivered
            | Phase::Returning { .. }
            | Phase::Returned
            | Phase::Cancelling(_)
            | Phase::Cancelled
            | Phase::Rejected { .. }
            | Phase::NeedsAttention(_) => (StockStep::Committed, Parcel::Booked),
        };
        let undo = Undo::Shipment { stock, parcel };
        self.enter(Phase::Cancelling(Cancelling { outcome, undo }), kind, text)
    }

    /// As [`Self::undo`], when no parcel goes out.
    pub(super) fn undo_money_and_stock(
        &self,
        outcome: Outcome,
        kind: EventKind,
        text: impl Into<String>,
    ) -> Answer {
        let undo = self.all_money_and_stock();
        self.enter(Phase::Cancelling(Cancelling { outcome, undo }), kind, text)
    }

    /// As [`Self::undo`], when no money is held.
    pub(super) fn undo_stock(
        &self,
        outcome: Outcome,
        kind: EventKind,
        text: impl Into<String>,
    ) -> Answer {
        let undo = Undo::MoneyAndStock {
            payment: false,
            reservations: self.all_reservations(),
        };
        self.enter(Phase::Cancelling(Cancelling { outcome, undo }), kind, text)
    }

    pub(super) fn all_money_and_stock(&self) -> Undo {
        Undo::MoneyAndStock {
            payment: self.order.saga.asked.payment,
            reservations: self.all_reservations(),
        }
    }

    fn all_reservations(&self) -> Vec<u32> {
        (1..=self.order.saga.asked.reservations).collect()
    }

    pub(super) fn cancelling(&self, now: &Cancelling, signal: Signal<'_>) -> Answer {
        match signal {
            Signal::Shipment(news) => self.cancelling_parcel(now, news),
            Signal::Payment(answer) => self.cancelling_payment(now, answer),
            Signal::Stock(answer) => self.cancelling_stock(now, answer),
            Signal::Released(number) => self.cancelling_released(now, number),
            // Only goods that came back are refunded by us; a void does it by itself.
            Signal::Refund(_) => LATE,
            // It is being undone already, for whichever reason.
            Signal::Cancel { .. } => LATE,
            Signal::Deadline if self.order.timer.attempts >= self.policy.tries_max => {
                let (step, text) = match &now.undo {
                    Undo::Shipment { .. } => (Step::VoidShipment, "shipping does not answer"),
                    Undo::MoneyAndStock { payment: true, .. } => {
                        (Step::VoidPayment, "payment does not answer")
                    }
                    Undo::MoneyAndStock { payment: false, .. } => {
                        (Step::ReleaseStock, "inventory does not answer")
                    }
                };
                let back = Phase::Cancelling(now.clone());
                self.call_person(step, back, EventKind::TimedOut, text)
            }
            Signal::Deadline => self.send_again(None),
            Signal::Operator { .. } => Err(Refusal::NotStuck),
        }
    }

    fn cancelling_parcel(&self, now: &Cancelling, news: &ShipmentNews) -> Answer {
        let Undo::Shipment { stock, parcel } = now.undo else {
            // Called off, or never booked: whatever comes is late.
            return LATE;
        };
        match news {
            ShipmentNews::Voided if parcel < Parcel::HandedOver => {
                let outcome = now.outcome.clone();
                let text = "the parcel was called off";
                self.undo_money_and_stock(outcome, EventKind::ShipmentVoided, text)
            }
            // It cannot have been called off after the carrier took it.
            ShipmentNews::Voided => ILLEGAL,
            ShipmentNews::VoidRefused => self.void_refused(now, stock, parcel),
            ShipmentNews::HandedOver
            | ShipmentNews::Delivered
            | ShipmentNews::Returned
            | ShipmentNews::Lost => match further(parcel, news) {
                Some((parcel, kind, text)) => {
                    self.stay(now.with(Undo::Shipment { stock, parcel }), kind, text)
                }
                None => LATE,
            },
            ShipmentNews::Exception { description } => {
                self.note(EventKind::ShipmentException, description.clone())
            }
            // The answer to the void says the same.
            ShipmentNews::Booked { .. } | ShipmentNews::BookingFailed { .. } => LATE,
        }
    }

    /// The carrier has the parcel: the cancellation fails and the order goes on.
    fn void_refused(&self, now: &Cancelling, stock: StockStep, parcel: Parcel) -> Answer {
        let kind = EventKind::ShipmentVoidRefused;
        let parcel = parcel.max(Parcel::HandedOver);
        let back = Phase::Confirming(Confirming { stock, parcel });
        match stock {
            StockStep::Lost => {
                let reason = now.outcome.reason();
                let text = format!("the parcel is under way, but the stock is gone: {reason}");
                self.call_person(Step::ReconcileStock, back, kind, text)
            }
            StockStep::Committed => {
                let mut transition = self.start();
                self.under_way(&mut transition, parcel, kind);
                if let Some(event) = transition.events.first_mut() {
                    let text = parcel_text(parcel);
                    event.description = format!("{text}: it cannot be cancelled and goes on");
                }
                transition.done()
            }
            StockStep::Reserving | StockStep::Committing => {
                let text = "the carrier has the parcel: it cannot be cancelled and goes on";
                self.enter(back, kind, text)
            }
        }
    }

    fn cancelling_payment(&self, now: &Cancelling, answer: &PaymentAnswer) -> Answer {
        let Undo::MoneyAndStock {
            payment: true,
            reservations,
        } = &now.undo
        else {
            return match answer {
                // Asked for before the parcel was called off, or declined: known.
                PaymentAnswer::Authorized
                | PaymentAnswer::Declined { .. }
                | PaymentAnswer::ActionRequired
                | PaymentAnswer::OutcomeUnknown
                | PaymentAnswer::Conflicted
                | PaymentAnswer::Captured
                | PaymentAnswer::CaptureFailed { .. }
                | PaymentAnswer::Voided
                | PaymentAnswer::VoidFailed { .. } => LATE,
            };
        };
        match answer {
            PaymentAnswer::Voided => {
                let undo = Undo::MoneyAndStock {
                    payment: false,
                    reservations: reservations.clone(),
                };
                let text = "nothing is held or taken any more";
                self.undone(now.with(undo), EventKind::PaymentVoided, text)
            }
            PaymentAnswer::VoidFailed { reason } => self.call_person(
                Step::VoidPayment,
                Phase::Cancelling(now.clone()),
                EventKind::VoidFailed,
                format!("the money could not be let go: {reason}"),
            ),
            // The void answers for all of them: a late success is voided once, by payment.
            PaymentAnswer::Authorized
            | PaymentAnswer::Declined { .. }
            | PaymentAnswer::ActionRequired
            | PaymentAnswer::OutcomeUnknown
            | PaymentAnswer::Conflicted
            | PaymentAnswer::Captured
            | PaymentAnswer::CaptureFailed { .. } => LATE,
        }
    }

    /// While the parcel is being called off the order may yet go on, so the stock's way counts.
    fn cancelling_stock(&self, now: &Cancelling, answer: &StockAnswer) -> Answer {
        let Undo::Shipment { stock, parcel } = now.undo else {
            return match answer {
                // The release answers for all of them.
                StockAnswer::Reserved
                | StockAnswer::Rejected { .. }
                | StockAnswer::Committed
                | StockAnswer::CommitRefused { .. }
                | StockAnswer::Released
                | StockAnswer::Expired => LATE,
            };
        };
        let (next, kind, text) = match answer {
            StockAnswer::Committed => {
                let kind = EventKind::StockCommitted;
                (StockStep::Committed, kind, "the units are sold")
            }
            StockAnswer::CommitRefused { .. } => {
                let kind = EventKind::CommitRefused;
                (StockStep::Lost, kind, "the hold was gone")
            }
            StockAnswer::Rejected { .. } => {
                let kind = EventKind::StockRejected;
                (StockStep::Lost, kind, "nothing is left to hold")
            }
            StockAnswer::Reserved | StockAnswer::Released | StockAnswer::Expired => return LATE,
        };
        let open = matches!(stock, StockStep::Reserving | StockStep::Committing);
        if open {
            let undo = Undo::Shipment {
                stock: next,
                parcel,
            };
            self.stay(now.with(undo), kind, text)
        } else {
            LATE
        }
    }

    fn cancelling_released(&self, now: &Cancelling, number: u32) -> Answer {
        let Undo::MoneyAndStock {
            payment,
            reservations,
        } = &now.undo
        else {
            return ILLEGAL;
        };
        if !reservations.contains(&number) {
            return LATE;
        }
        let undo = Undo::MoneyAndStock {
            payment: *payment,
            reservations: reservations
                .iter()
                .copied()
                .filter(|&left| left != number)
                .collect(),
        };
        let text = "no unit is held or sold any more";
        self.undone(now.with(undo), EventKind::StockReleased, text)
    }

    /// One part is undone; ends the order when it was the last.
    fn undone(&self, phase: Phase, kind: EventKind, text: &str) -> Answer {
        let mut transition = self.start();
        transition.stay(phase, kind, text);
        self.end_if_undone(&mut transition);
        transition.done()
    }

    pub(super) fn end_if_undone(&self, transition: &mut Transition) {
        let Phase::Cancelling(now) = &transition.saga.phase else {
            return;
        };
        if now.undo.is_done() {
            let (phase, kind, text) = now.outcome.end();
            transition.enter(self, phase, kind, text);
        }
    }
}

impl Cancelling {
    fn with(&self, undo: Undo) -> Phase {
        Phase::Cancelling(Self {
            outcome: self.outcome.clone(),
            undo,
        })
    }
}

impl Undo {
    fn is_done(&self) -> bool {
        match self {
            Self::Shipment { .. } => false,
            Self::MoneyAndStock {
                payment,
                reservations,
            } => !payment && reservations.is_empty(),
        }
    }
}

impl Outcome {
    fn reason(&self) -> &str {
        match self {
            Self::Cancelled => "cancelled by the customer",
            Self::Rejected(reason) => reason,
        }
    }
}
