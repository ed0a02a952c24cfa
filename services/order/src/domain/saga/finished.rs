//! The final phases: nothing moves any more. A payment that succeeds after the end should have
//! been voided by the payment service; it is voided once more, and the history says so.

use super::{Answer, LATE, Moment, Refusal, Signal};
use crate::domain::event::EventKind;
use crate::domain::input::{PaymentAnswer, RefundAnswer};
use crate::domain::saga::Command;

impl Moment<'_> {
    pub(super) fn returned(&self, signal: Signal<'_>) -> Answer {
        match signal {
            Signal::Refund(RefundAnswer::Failed { reason }) => self.refund_came_back(true, reason),
            Signal::Stock(_)
            | Signal::Released(_)
            | Signal::Payment(_)
            | Signal::Refund(RefundAnswer::Succeeded { .. })
            | Signal::Shipment(_)
            | Signal::Cancel { .. }
            | Signal::Deadline
            | Signal::Operator { .. } => self.delivered(signal),
        }
    }

    pub(super) fn delivered(&self, signal: Signal<'_>) -> Answer {
        match signal {
            Signal::Stock(_)
            | Signal::Released(_)
            | Signal::Payment(_)
            | Signal::Refund(_)
            | Signal::Shipment(_)
            | Signal::Deadline => LATE,
            Signal::Cancel { .. } => Err(Refusal::AlreadyShipped),
            Signal::Operator { .. } => Err(Refusal::NotStuck),
        }
    }

    pub(super) fn cancelled(&self, signal: Signal<'_>) -> Answer {
        match signal {
            // Cancelling a cancelled order is no error.
            Signal::Cancel { .. } => LATE,
            Signal::Stock(_)
            | Signal::Released(_)
            | Signal::Payment(_)
            | Signal::Refund(_)
            | Signal::Shipment(_)
            | Signal::Deadline
            | Signal::Operator { .. } => self.undone_for_ever(signal),
        }
    }

    pub(super) fn rejected(&self, signal: Signal<'_>) -> Answer {
        match signal {
            Signal::Cancel { .. } => Err(Refusal::NotCancellable),
            Signal::Stock(_)
            | Signal::Released(_)
            | Signal::Payment(_)
            | Signal::Refund(_)
            | Signal::Shipment(_)
            | Signal::Deadline
            | Signal::Operator { .. } => self.undone_for_ever(signal),
        }
    }

    fn undone_for_ever(&self, signal: Signal<'_>) -> Answer {
        match signal {
            Signal::Payment(PaymentAnswer::Authorized | PaymentAnswer::Captured)
                if !self.order.saga.asked.late_void =>
            {
                let mut transition = self.start();
                transition.saga.asked.late_void = true;
                transition.ask([Command::VoidPayment(self.order.payment())]);
                let text = "the payment succeeded after the end; it is voided once more";
                let phase = self.order.saga.phase.clone();
                transition.stay(phase, EventKind::LatePaymentVoided, text);
                transition.done()
            }
            Signal::Stock(_)
            | Signal::Released(_)
            | Signal::Payment(_)
            | Signal::Refund(_)
            | Signal::Shipment(_)
            | Signal::Cancel { .. }
            | Signal::Deadline => LATE,
            Signal::Operator { .. } => Err(Refusal::NotStuck),
        }
    }
}
