//! Needs attention: a step cannot go on by itself. Answers are still taken, and the order goes on
//! by itself when they resolve the step; else an operator retries, skips or abandons it.

use super::reserving::cancel_text;
use super::{Answer, Ignored, LATE, Moment, Reaction, Refusal, Signal, Transition};
use crate::domain::event::EventKind;
use crate::domain::input::{PaymentAnswer, RefundAnswer, ShipmentNews, Verb};
use crate::domain::phase::{
    Attention, Cancelling, Confirming, Outcome, Parcel, Phase, Saga, StockStep, Undo,
};
use crate::domain::step::Step;

/// Why an order ended that an operator gave up.
const ABANDONED: &str = "ABANDONED";

impl Moment<'_> {
    pub(super) fn attention(&self, stuck: &Attention, signal: Signal<'_>) -> Answer {
        match signal {
            Signal::Stock(_)
            | Signal::Released(_)
            | Signal::Payment(_)
            | Signal::Refund(_)
            | Signal::Shipment(_) => self.answered_while_stuck(stuck, signal),
            // What is undone for the customer already needs no second wish.
            Signal::Cancel { .. } => match &*stuck.back {
                Phase::Cancelling(Cancelling {
                    outcome: Outcome::Cancelled,
                    ..
                }) => LATE,
                Phase::Capturing { .. } | Phase::Shipped | Phase::Returning { .. } => {
                    Err(Refusal::AlreadyShipped)
                }
                Phase::Reserving
                | Phase::Authorizing(_)
                | Phase::Confirming(_)
                | Phase::Confirmed
                | Phase::Delivered
                | Phase::Returned
                | Phase::Cancelling(_)
                | Phase::Cancelled
                | Phase::Rejected { .. }
                | Phase::NeedsAttention(_) => Err(Refusal::NotCancellable),
            },
            Signal::Deadline => LATE,
            Signal::Operator { actor, verb } => match verb {
                Verb::Retry => self.retry(stuck, actor),
                Verb::Skip { reason } => self.skip(stuck, &cancel_text(reason, actor)),
                Verb::Abandon { reason } => self.abandon(stuck, &cancel_text(reason, actor)),
            },
        }
    }

    /// Takes the answer as the stuck phase would, and goes on if that resolves the step.
    fn answered_while_stuck(&self, stuck: &Attention, signal: Signal<'_>) -> Answer {
        let order = self.order.in_phase((*stuck.back).clone());
        let inner = Moment {
            order: &order,
            ..*self
        };
        let mut transition = match inner.dispatch(signal)? {
            Reaction::Ignored(why) => return Ok(Reaction::Ignored(why)),
            Reaction::Moved(transition) => *transition,
        };
        if let Phase::NeedsAttention(again) = &transition.saga.phase
            && again.step == stuck.step
        {
            return Ok(Reaction::Ignored(Ignored::Late));
        }
        let rewrap = |saga: &mut Saga| {
            if stuck.step.is_pending_in(&saga.phase) {
                saga.phase = Phase::NeedsAttention(Attention {
                    step: stuck.step,
                    reason: stuck.reason.clone(),
                    back: Box::new(saga.phase.clone()),
                });
            }
        };
        for event in &mut transition.events {
            rewrap(&mut event.saga);
        }
        rewrap(&mut transition.saga);
        if transition.saga.phase.attention().is_some() {
            transition.timer = self.order.timer;
        } else if transition.timer == order.timer {
            // It was stopped while the order was stuck.
            transition.timer = self.policy.first_timer(&transition.saga.phase, self.now);
        }
        transition.done()
    }

    fn retry(&self, stuck: &Attention, actor: &str) -> Answer {
        let mut transition = self.start();
        let mut back = (*stuck.back).clone();
        if let (Step::ReconcileStock, Phase::Confirming(now)) = (stuck.step, &mut back) {
            now.stock = StockStep::Reserving;
            transition.saga.asked.reservations += 1;
        }
        let text = format!("{} is tried again by {actor}", stuck.step.name());
        transition.resume(self, back, EventKind::StepRetried, text);
        transition.done()
    }

    /// The step was done by hand: what its answer would have said is taken as said.
    fn skip(&self, stuck: &Attention, text: &str) -> Answer {
        let captured = PaymentAnswer::Captured;
        let voided = PaymentAnswer::Voided;
        let refunded = RefundAnswer::Succeeded {
            amount: self.order.details.total,
        };
        let answers: Vec<Signal<'_>> = match stuck.step {
            Step::CapturePayment => vec![Signal::Payment(&captured)],
            Step::VoidPayment => vec![Signal::Payment(&voided)],
            Step::RefundPayment => vec![Signal::Refund(&refunded)],
            Step::VoidShipment => vec![Signal::Shipment(&ShipmentNews::Voided)],
            Step::FindParcel | Step::AwaitDelivery => {
                vec![Signal::Shipment(&ShipmentNews::Delivered)]
            }
            Step::ReleaseStock => self.unreleased(&stuck.back),
            Step::ReconcileStock => return self.skip_reconciliation(stuck, text),
            Step::AuthorizePayment
            | Step::CommitStock
            | Step::BookShipment
            | Step::AwaitHandOver => return Err(Refusal::NotSkippable),
        };
        let mut transition = self.skipped(stuck, text);
        transition.saga.phase = (*stuck.back).clone();
        for signal in answers {
            self.chain(&mut transition, signal)?;
        }
        transition.done()
    }

    fn skipped(&self, stuck: &Attention, text: &str) -> Transition {
        let mut transition = self.start();
        transition.stay(
            self.order.saga.phase.clone(),
            EventKind::StepSkipped,
            format!("{} is taken as done by hand, {text}", stuck.step.name()),
        );
        transition
    }

    fn unreleased(&self, back: &Phase) -> Vec<Signal<'static>> {
        if let Phase::Cancelling(Cancelling {
            undo: Undo::MoneyAndStock { reservations, .. },
            ..
        }) = back
        {
            reservations.iter().copied().map(Signal::Released).collect()
        } else {
            vec![Signal::Released(self.order.saga.asked.reservations)]
        }
    }

    /// The stock was put right by hand: the sale is taken as made.
    fn skip_reconciliation(&self, stuck: &Attention, text: &str) -> Answer {
        let parcel = match &*stuck.back {
            Phase::Confirming(Confirming { parcel, .. }) => *parcel,
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
            | Phase::NeedsAttention(_) => Parcel::HandedOver,
        };
        let mut transition = self.skipped(stuck, text);
        self.under_way(&mut transition, parcel, EventKind::HandedOver);
        transition.done()
    }

    /// Applies one more signal to where the transition leads so far.
    fn chain(&self, transition: &mut Transition, signal: Signal<'_>) -> Result<(), Refusal> {
        let mut order = self.order.clone();
        order.saga = transition.saga.clone();
        order.timer = transition.timer;
        let moment = Moment {
            order: &order,
            ..*self
        };
        if let Reaction::Moved(next) = moment.dispatch(signal)? {
            transition.saga = next.saga;
            transition.events.extend(next.events);
            transition.commands.extend(next.commands);
            transition.facts.extend(next.facts);
            transition.timer = if next.timer == order.timer {
                self.policy.first_timer(&transition.saga.phase, self.now)
            } else {
                next.timer
            };
        }
        Ok(())
    }

    /// Gives the order up. Before the hand-over everything is undone. After it the goods stay sold
    /// and the money is let go or given back: the customer never pays for what a person gave up.
    /// An undo that is stuck itself is taken as done, for nothing more can be undone about it.
    fn abandon(&self, stuck: &Attention, text: &str) -> Answer {
        let money_only = |reservations| Undo::MoneyAndStock {
            payment: self.order.saga.asked.payment,
            reservations,
        };
        let current = self.order.saga.asked.reservations;
        let undo = match &*stuck.back {
            Phase::Confirming(now) if now.parcel >= Parcel::HandedOver => money_only(Vec::new()),
            Phase::Confirming(now) if self.order.saga.asked.shipment => Undo::Shipment {
                stock: now.stock,
                parcel: now.parcel,
            },
            Phase::Confirmed => Undo::Shipment {
                stock: StockStep::Committed,
                parcel: Parcel::Booked,
            },
            Phase::Capturing { .. } | Phase::Shipped => money_only(Vec::new()),
            Phase::Returning {
                refunded,
                restocked,
            } => Undo::MoneyAndStock {
                payment: !refunded && stuck.step != Step::RefundPayment,
                reservations: if *restocked || stuck.step == Step::ReleaseStock {
                    Vec::new()
                } else {
                    vec![current]
                },
            },
            Phase::Cancelling(now) => self.given_up(&now.undo, stuck.step),
            Phase::Reserving
            | Phase::Authorizing(_)
            | Phase::Confirming(_)
            | Phase::Delivered
            | Phase::Returned
            | Phase::Cancelled
            | Phase::Rejected { .. }
            | Phase::NeedsAttention(_) => self.all_money_and_stock(),
        };
        let mut transition = self.start();
        let phase = Phase::Cancelling(Cancelling {
            outcome: Outcome::Rejected(ABANDONED.to_owned()),
            undo,
        });
        transition.enter(self, phase, EventKind::Abandoned, text);
        self.end_if_undone(&mut transition);
        transition.done()
    }

    /// What is left to undo without the step that cannot be undone.
    fn given_up(&self, undo: &Undo, step: Step) -> Undo {
        match undo {
            Undo::Shipment { .. } => self.all_money_and_stock(),
            Undo::MoneyAndStock {
                payment,
                reservations,
            } => Undo::MoneyAndStock {
                payment: *payment && step != Step::VoidPayment,
                reservations: if step == Step::ReleaseStock {
                    Vec::new()
                } else {
                    reservations.clone()
                },
            },
        }
    }
}
