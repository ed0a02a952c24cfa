//! Confirming: the money is held; the stock is committed and the parcel booked, in parallel.

use super::reserving::{cancel_text, rejected_text};
use super::{Answer, ILLEGAL, LATE, Moment, Refusal, Signal};
use crate::domain::event::EventKind;
use crate::domain::input::{PaymentAnswer, ShipmentNews, StockAnswer};
use crate::domain::phase::{Confirming, Outcome, Parcel, Phase, StockStep};
use crate::domain::saga::{Command, Transition};
use crate::domain::step::Step;

impl Moment<'_> {
    pub(super) fn confirming(&self, now: Confirming, signal: Signal<'_>) -> Answer {
        match signal {
            Signal::Stock(answer) => self.confirming_stock(now, answer),
            Signal::Shipment(news) => self.confirming_parcel(now, news),
            Signal::Payment(answer) => late_payment(answer),
            Signal::Released(_) | Signal::Refund(_) => ILLEGAL,
            Signal::Cancel { note, actor } if now.parcel < Parcel::HandedOver => self.undo(
                Outcome::Cancelled,
                EventKind::CancelRequested,
                cancel_text(note, actor),
            ),
            Signal::Cancel { .. } => Err(Refusal::AlreadyShipped),
            Signal::Deadline if self.is_over(self.order.created_at, self.policy.age_max) => {
                let step = match now.stock {
                    StockStep::Committed => Step::BookShipment,
                    StockStep::Reserving | StockStep::Committing | StockStep::Lost => {
                        Step::CommitStock
                    }
                };
                let text = "no answer in time";
                self.call_person(step, Phase::Confirming(now), EventKind::TimedOut, text)
            }
            Signal::Deadline => self.send_again(Some(self.order.created_at + self.policy.age_max)),
            Signal::Operator { .. } => Err(Refusal::NotStuck),
        }
    }

    fn confirming_stock(&self, now: Confirming, answer: &StockAnswer) -> Answer {
        let with = |stock| Confirming { stock, ..now };
        match (answer, now.stock) {
            (StockAnswer::Reserved, StockStep::Reserving) => {
                let mut transition = self.start();
                let commit = Command::CommitReservation(self.order.current_reservation());
                transition.ask([commit]);
                let phase = Phase::Confirming(with(StockStep::Committing));
                transition.stay(phase, EventKind::StockReserved, "all items are held again");
                transition.done()
            }
            (StockAnswer::Rejected { reason, shortfall }, StockStep::Reserving) => {
                let text = rejected_text(reason, shortfall);
                self.stock_lost(now, reason, text)
            }
            (StockAnswer::Committed, StockStep::Committing) => self.confirming_done(
                with(StockStep::Committed),
                EventKind::StockCommitted,
                "the units are sold",
            ),
            (StockAnswer::CommitRefused { reason }, StockStep::Committing) => {
                let mut transition = self.start();
                transition.saga.asked.reservations += 1;
                let again = self.order.reservation(transition.saga.asked.reservations);
                transition.ask([Command::ReserveStock(again)]);
                let phase = Phase::Confirming(with(StockStep::Reserving));
                let text = format!("the hold was gone ({reason}); the items are reserved again");
                transition.stay(phase, EventKind::CommitRefused, text);
                transition.done()
            }
            (
                StockAnswer::Reserved | StockAnswer::CommitRefused { .. },
                StockStep::Committing | StockStep::Committed | StockStep::Lost,
            )
            | (StockAnswer::Committed, StockStep::Committed)
            | (StockAnswer::Rejected { .. }, StockStep::Lost)
            // If the hold is gone, the refusal of the commit says so.
            | (
                StockAnswer::Expired | StockAnswer::Released,
                StockStep::Reserving
                | StockStep::Committing
                | StockStep::Committed
                | StockStep::Lost,
            ) => LATE,
            (StockAnswer::Rejected { .. }, StockStep::Committing | StockStep::Committed)
            | (StockAnswer::Committed, StockStep::Reserving | StockStep::Lost)
            | (StockAnswer::CommitRefused { .. }, StockStep::Reserving) => ILLEGAL,
        }
    }

    /// Nothing is left to sell. If the goods are gone already, a person has to look.
    fn stock_lost(&self, now: Confirming, reason: &str, text: String) -> Answer {
        let lost = Confirming {
            stock: StockStep::Lost,
            ..now
        };
        if now.parcel >= Parcel::HandedOver {
            return self.call_person(
                Step::ReconcileStock,
                Phase::Confirming(lost),
                EventKind::StockRejected,
                format!("the parcel is under way, but the stock is gone: {text}"),
            );
        }
        let moment = Moment {
            order: &self.order.in_phase(Phase::Confirming(lost)),
            ..*self
        };
        let outcome = Outcome::Rejected(reason.to_owned());
        moment.undo(outcome, EventKind::StockRejected, text)
    }

    fn confirming_parcel(&self, now: Confirming, news: &ShipmentNews) -> Answer {
        let with = |parcel| Confirming { parcel, ..now };
        match news {
            ShipmentNews::Booked { carrier, tracking } if now.parcel == Parcel::Awaited => self
                .confirming_done(
                    with(Parcel::Booked),
                    EventKind::ShipmentBooked,
                    format!("{carrier}, tracking number {tracking}"),
                ),
            ShipmentNews::BookingFailed { reason } if now.parcel == Parcel::Awaited => {
                let text = format!("no carrier takes the parcel: {reason}");
                let outcome = Outcome::Rejected(reason.clone());
                self.undo_money_and_stock(outcome, EventKind::BookingFailed, text)
            }
            // A refused cancellation leads back here, and its answer may come twice.
            ShipmentNews::Booked { .. } | ShipmentNews::VoidRefused => LATE,
            ShipmentNews::BookingFailed { .. } | ShipmentNews::Voided => ILLEGAL,
            ShipmentNews::Exception { description } => {
                self.note(EventKind::ShipmentException, description.clone())
            }
            ShipmentNews::HandedOver
            | ShipmentNews::Delivered
            | ShipmentNews::Returned
            | ShipmentNews::Lost => match further(now.parcel, news) {
                Some((parcel, kind, text)) => self.confirming_done(with(parcel), kind, text),
                None => LATE,
            },
        }
    }

    /// Goes on when both are done.
    fn confirming_done(&self, now: Confirming, kind: EventKind, text: impl Into<String>) -> Answer {
        let mut transition = self.start();
        transition.stay(Phase::Confirming(now), kind, text);
        if now.stock == StockStep::Committed && now.parcel >= Parcel::Booked {
            let text = "stock sold, money held, parcel booked";
            transition.enter(self, Phase::Confirmed, EventKind::Confirmed, text);
            if now.parcel >= Parcel::HandedOver {
                self.under_way(&mut transition, now.parcel, EventKind::HandedOver);
            }
        }
        transition.done()
    }

    /// The parcel is with the carrier or further: the money is due.
    pub(super) fn under_way(&self, transition: &mut Transition, parcel: Parcel, kind: EventKind) {
        let text = parcel_text(parcel);
        if self.order.needs_payment() {
            transition.enter(self, Phase::Capturing { parcel }, kind, text);
        } else {
            transition.enter(self, Phase::Shipped, kind, text);
            self.catch_up(transition, parcel);
        }
    }
}

/// News that lead further than what is known.
pub(super) fn further(
    known: Parcel,
    news: &ShipmentNews,
) -> Option<(Parcel, EventKind, &'static str)> {
    let (parcel, kind) = match news {
        ShipmentNews::Booked { .. } => (Parcel::Booked, EventKind::ShipmentBooked),
        ShipmentNews::HandedOver => (Parcel::HandedOver, EventKind::HandedOver),
        ShipmentNews::Delivered => (Parcel::Delivered, EventKind::Delivered),
        ShipmentNews::Returned => (Parcel::Returned, EventKind::ShipmentReturned),
        ShipmentNews::Lost => (Parcel::Lost, EventKind::ShipmentLost),
        ShipmentNews::BookingFailed { .. }
        | ShipmentNews::Exception { .. }
        | ShipmentNews::Voided
        | ShipmentNews::VoidRefused => return None,
    };
    (parcel > known).then(|| (parcel, kind, parcel_text(parcel)))
}

pub(super) const fn parcel_text(parcel: Parcel) -> &'static str {
    match parcel {
        Parcel::Awaited => "the parcel is not booked yet",
        Parcel::Booked => "the parcel is booked",
        Parcel::HandedOver => "the carrier has the parcel",
        Parcel::Delivered => "the parcel arrived",
        Parcel::Returned => "the parcel came back",
        Parcel::Lost => "the carrier lost the parcel",
    }
}

/// After the authorisation the final answer may come again; another one contradicts it.
pub(super) fn late_payment(answer: &PaymentAnswer) -> Answer {
    match answer {
        PaymentAnswer::Authorized
        | PaymentAnswer::ActionRequired
        | PaymentAnswer::OutcomeUnknown => LATE,
        PaymentAnswer::Declined { .. }
        | PaymentAnswer::Conflicted
        | PaymentAnswer::Captured
        | PaymentAnswer::CaptureFailed { .. }
        | PaymentAnswer::Voided
        | PaymentAnswer::VoidFailed { .. } => ILLEGAL,
    }
}
