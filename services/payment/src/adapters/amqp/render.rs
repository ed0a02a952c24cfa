//! From answers to messages.

use tradepost_messaging::Outgoing;
use tradepost_proto::convert::money_to_proto;
use tradepost_proto::payment::event::v1 as pb;
use tradepost_proto::routing::Event;
use tradepost_types::{Money, OrderId, PaymentId, TenantId};

use crate::domain::{Dispute, DisputeReply, DisputeState, RefundReply, Reply, Told};

/// Whom an answer is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject {
    pub(crate) tenant: TenantId,
    pub(crate) payment: PaymentId,
    pub(crate) order: OrderId,
    pub(crate) amount: Money,
}

/// The event that tells it.
pub(crate) fn told(subject: Subject, told: &Told) -> Outgoing {
    match told {
        Told::Payment(reply) => payment(subject, reply.clone()),
        Told::Dispute(known, reply) => dispute(subject, known, *reply),
        Told::Refund(id, amount, reply) => {
            let refund_id = id.to_string();
            let payment_id = subject.payment.to_string();
            let order_id = subject.order.to_string();
            match reply {
                RefundReply::Succeeded => event(
                    subject,
                    &pb::RefundSucceeded {
                        refund_id,
                        payment_id,
                        order_id,
                        amount: Some(money_to_proto(*amount)),
                    },
                ),
                RefundReply::Failed { reason } => event(
                    subject,
                    &pb::RefundFailed {
                        refund_id,
                        payment_id,
                        order_id,
                        reason: reason.clone(),
                    },
                ),
            }
        }
    }
}

/// The facts of a dispute: whoever listens may hear them, nobody waits for them.
fn dispute(subject: Subject, dispute: &Dispute, reply: DisputeReply) -> Outgoing {
    let dispute_id = dispute.id.to_string();
    let payment_id = subject.payment.to_string();
    let order_id = subject.order.to_string();
    let amount = Some(money_to_proto(dispute.known.amount));
    let kind = match reply {
        DisputeReply::Asked => pb::DisputeKind::Inquiry,
        DisputeReply::Opened => pb::DisputeKind::Chargeback,
        DisputeReply::Closed => {
            let outcome = outcome(dispute.known.state).into();
            let closed = pb::PaymentDisputeClosed {
                dispute_id,
                payment_id,
                order_id,
                amount,
                outcome,
            };
            return event(subject, &closed);
        }
    };
    let opened = pb::PaymentDisputed {
        dispute_id,
        payment_id,
        order_id,
        amount,
        kind: kind.into(),
        reason: dispute.known.reason.clone(),
    };
    event(subject, &opened)
}

const fn outcome(state: DisputeState) -> pb::DisputeOutcome {
    match state {
        DisputeState::Won => pb::DisputeOutcome::Won,
        DisputeState::Lost => pb::DisputeOutcome::Lost,
        DisputeState::InquiryClosed => pb::DisputeOutcome::InquiryClosed,
        DisputeState::InquiryNeedsResponse
        | DisputeState::InquiryUnderReview
        | DisputeState::NeedsResponse
        | DisputeState::UnderReview => pb::DisputeOutcome::Unspecified,
    }
}

macro_rules! about {
    ($subject:expr, $message:ident { $($field:ident),* }) => {
        event($subject, &pb::$message {
            payment_id: $subject.payment.to_string(),
            order_id: $subject.order.to_string(),
            $($field),*
        })
    };
}

fn payment(subject: Subject, reply: Reply) -> Outgoing {
    let amount = Some(money_to_proto(subject.amount));
    match reply {
        Reply::Authorized => about!(subject, PaymentAuthorized { amount }),
        Reply::Declined { reason } => about!(subject, PaymentDeclined { reason }),
        Reply::ActionRequired => about!(subject, PaymentActionRequired {}),
        Reply::OutcomeUnknown => about!(subject, PaymentOutcomeUnknown {}),
        Reply::Conflicted => about!(subject, PaymentConflicted {}),
        Reply::Captured(taken) => {
            let amount = Some(money_to_proto(taken));
            about!(subject, PaymentCaptured { amount })
        }
        Reply::CaptureFailed { reason } => about!(subject, PaymentCaptureFailed { reason }),
        Reply::Voided => about!(subject, PaymentVoided {}),
        Reply::VoidFailed { reason } => about!(subject, PaymentVoidFailed { reason }),
    }
}

fn event<E: Event + prost::Message>(subject: Subject, body: &E) -> Outgoing {
    let outgoing = if E::REPLY {
        Outgoing::required_event(E::KEY, subject.tenant, body)
    } else {
        Outgoing::event(E::KEY, subject.tenant, body)
    };
    outgoing.about(subject.payment.to_string(), 0)
}

/// One word for it, for metrics.
pub(crate) const fn word(told: &Told) -> &'static str {
    match told {
        Told::Payment(reply) => match reply {
            Reply::Authorized => "authorized",
            Reply::Declined { .. } => "declined",
            Reply::ActionRequired => "action_required",
            Reply::OutcomeUnknown => "outcome_unknown",
            Reply::Conflicted => "conflicted",
            Reply::Captured(_) => "captured",
            Reply::CaptureFailed { .. } => "capture_failed",
            Reply::Voided => "voided",
            Reply::VoidFailed { .. } => "void_failed",
        },
        Told::Refund(_, _, RefundReply::Succeeded) => "refund_succeeded",
        Told::Refund(_, _, RefundReply::Failed { .. }) => "refund_failed",
        Told::Dispute(_, DisputeReply::Asked | DisputeReply::Opened) => "disputed",
        Told::Dispute(_, DisputeReply::Closed) => "dispute_closed",
    }
}
