//! Payments and refunds as JSON.

use serde::{Deserialize, Serialize};
use tradepost_proto::payment::v1 as pb;
use utoipa::ToSchema;

use crate::http::problem::Problem;
use crate::http::values::{Money, Time, instant, mirrored, present, text};

mirrored! {
    /// Where a payment stands.
    PaymentState of pb::PaymentState {
        /// Stored, the provider not yet asked.
        Created,
        /// The provider is being asked.
        Authorizing,
        /// The customer has to act (3-D Secure).
        RequiresAction,
        /// The money is held on the card.
        Authorized,
        /// The provider said no.
        Declined,
        /// The provider may or may not have authorised: it is asked until known.
        Unknown,
        /// The capture is being asked for.
        Capturing,
        /// A part is captured and the rest was let go.
        PartiallyCaptured,
        /// The whole amount is captured.
        Captured,
        /// The provider may or may not have captured: it is asked until known.
        CaptureUnknown,
        /// The void is being asked for.
        Voiding,
        /// The hold on the card is gone; nothing was taken.
        Voided,
        /// The authorisation ran out before the capture.
        AuthorizationExpired,
        /// The provider's amount or currency differs from ours: a person has to look.
        Conflicted,
    }
}

mirrored! {
    /// Where a refund stands.
    RefundState of pb::RefundState {
        /// The amount is set aside, the provider not yet asked.
        Requested,
        /// The provider accepted it and has not finished.
        Submitted,
        /// The money went back.
        Succeeded,
        /// The provider refused; the amount can be refunded again.
        Failed,
        /// The provider may or may not have refunded: it is asked until known.
        Unknown,
    }
}

mirrored! {
    /// Where a dispute stands. An inquiry asks and moves no money; it may become a chargeback.
    DisputeState of pb::DisputeState {
        /// The bank asks, and waits for an answer.
        InquiryNeedsResponse,
        /// The bank asks, and looks at the answer.
        InquiryUnderReview,
        /// The bank asks no more.
        InquiryClosed,
        /// The bank took the money back and waits for evidence.
        NeedsResponse,
        /// The bank looks at the evidence.
        UnderReview,
        /// The money is ours.
        Won,
        /// The money is the customer's.
        Lost,
    }
}

/// One attempt to take the money of one order.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Payment {
    /// Its id.
    #[schema(example = "payment_01h455vb4pex5vsknk084sn02q")]
    payment_id: String,
    /// The order.
    order_id: String,
    /// Where it stands.
    state: PaymentState,
    /// What was asked for.
    amount: Money,
    /// What was captured.
    captured: Money,
    /// What was refunded, or is set aside for refunds that are not finished.
    refunded: Money,
    /// The card provider's own reference, once known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    provider_reference: Option<String>,
    /// Why it was declined or failed, e.g. `CARD_DECLINED`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    decline_reason: Option<String>,
    /// The refunds, oldest first.
    refunds: Vec<Refund>,
    /// The disputes, oldest first. What they withhold cannot be refunded.
    disputes: Vec<Dispute>,
    /// When it was asked for.
    create_time: Time,
    /// When it last changed.
    update_time: Time,
}

impl TryFrom<pb::Payment> for Payment {
    type Error = Problem;

    fn try_from(payment: pb::Payment) -> Result<Self, Problem> {
        let refunds = payment.refunds.into_iter().map(Refund::try_from);
        let disputes = payment.disputes.into_iter().map(Dispute::try_from);
        Ok(Self {
            payment_id: payment.payment_id,
            order_id: payment.order_id,
            state: PaymentState::of(payment.state),
            amount: present(payment.amount)?.into(),
            captured: present(payment.captured)?.into(),
            refunded: present(payment.refunded)?.into(),
            provider_reference: text(payment.provider_reference),
            decline_reason: text(payment.decline_reason),
            refunds: refunds.collect::<Result<_, Problem>>()?,
            disputes: disputes.collect::<Result<_, Problem>>()?,
            create_time: instant(payment.create_time)?,
            update_time: instant(payment.update_time)?,
        })
    }
}

/// Money given back from one payment.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Refund {
    /// Its id.
    #[schema(example = "refund_01h455vb4pex5vsknk084sn02q")]
    refund_id: String,
    /// The payment.
    payment_id: String,
    /// Where it stands.
    state: RefundState,
    /// How much.
    amount: Money,
    /// Why, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    note: Option<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    failure_reason: Option<String>,
    /// When it was asked for.
    create_time: Time,
    /// When it last changed.
    update_time: Time,
}

impl TryFrom<pb::Refund> for Refund {
    type Error = Problem;

    fn try_from(refund: pb::Refund) -> Result<Self, Problem> {
        Ok(Self {
            refund_id: refund.refund_id,
            payment_id: refund.payment_id,
            state: RefundState::of(refund.state),
            amount: present(refund.amount)?.into(),
            note: text(refund.note),
            failure_reason: text(refund.failure_reason),
            create_time: instant(refund.create_time)?,
            update_time: instant(refund.update_time)?,
        })
    }
}

/// A customer's objection to one payment at the bank, or the bank's inquiry before one.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Dispute {
    /// Its id.
    #[schema(example = "dispute_01h455vb4pex5vsknk084sn02q")]
    dispute_id: String,
    /// The payment.
    payment_id: String,
    /// Where it stands.
    state: DisputeState,
    /// How much is disputed.
    amount: Money,
    /// Why, in the card provider's words, e.g. `FRAUDULENT`.
    reason: String,
    /// The card provider's own reference.
    provider_reference: String,
    /// What the provider withdrew so far, without fees.
    withdrawn: Money,
    /// What of it was given back.
    reinstated: Money,
    /// What the provider charged for it, less what it returned.
    fee: Money,
    /// When it was first heard of.
    create_time: Time,
    /// When it last changed.
    update_time: Time,
}

impl TryFrom<pb::Dispute> for Dispute {
    type Error = Problem;

    fn try_from(dispute: pb::Dispute) -> Result<Self, Problem> {
        Ok(Self {
            dispute_id: dispute.dispute_id,
            payment_id: dispute.payment_id,
            state: DisputeState::of(dispute.state),
            amount: present(dispute.amount)?.into(),
            reason: dispute.reason,
            provider_reference: dispute.provider_reference,
            withdrawn: present(dispute.withdrawn)?.into(),
            reinstated: present(dispute.reinstated)?.into(),
            fee: present(dispute.fee)?.into(),
            create_time: instant(dispute.create_time)?,
            update_time: instant(dispute.update_time)?,
        })
    }
}

/// A refund to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRefund {
    /// How much; above 0 and in the payment's currency. Left out: all that can still be refunded,
    /// which is refused while any of it is disputed.
    #[schema(nullable = false)]
    amount: Option<Money>,
    /// Why, for people.
    #[schema(nullable = false, max_length = 200)]
    note: Option<String>,
}

impl NewRefund {
    pub(super) fn into_request(
        self,
        request_id: String,
        payment_id: String,
    ) -> pb::CreateRefundRequest {
        pb::CreateRefundRequest {
            request_id,
            payment_id,
            amount: self.amount.map(Into::into),
            note: self.note.unwrap_or_default(),
        }
    }
}
