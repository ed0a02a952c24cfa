//! From values to answers.

use tradepost_proto::convert::{money_to_proto, timestamp_to_proto};
use tradepost_proto::payment::v1 as pb;
use tradepost_types::{Money, PaymentId};

use crate::domain::{DisputeState, RefundState, State};
use crate::ports::{LedgerLine, StoredDispute, StoredPayment, StoredRefund};

pub(super) fn payment(stored: StoredPayment) -> pb::Payment {
    let case = stored.case;
    let id = case.id;
    let payment = case.payment;
    // A void that came first knows no amount.
    let money = |amount: Money| payment.amount.is_positive().then(|| money_to_proto(amount));
    pb::Payment {
        payment_id: id.to_string(),
        order_id: case.order.to_string(),
        state: state(payment.state).into(),
        amount: money(payment.amount),
        captured: money(payment.captured),
        refunded: money(payment.refunded),
        provider_reference: case.reference.unwrap_or_default(),
        decline_reason: payment.decline_reason.clone().unwrap_or_default(),
        refunds: stored
            .refunds
            .into_iter()
            .map(|made| refund(id, made))
            .collect(),
        disputes: stored
            .disputes
            .into_iter()
            .map(|made| dispute(id, made))
            .collect(),
        create_time: Some(timestamp_to_proto(stored.created_at)),
        update_time: Some(timestamp_to_proto(stored.updated_at)),
    }
}

pub(super) fn refund(payment: PaymentId, stored: StoredRefund) -> pb::Refund {
    let refund = stored.made.refund;
    let state = match refund.state {
        RefundState::Requested => pb::RefundState::Requested,
        RefundState::Submitted => pb::RefundState::Submitted,
        RefundState::Succeeded => pb::RefundState::Succeeded,
        RefundState::Failed => pb::RefundState::Failed,
        RefundState::Unknown => pb::RefundState::Unknown,
    };
    pb::Refund {
        refund_id: refund.id.to_string(),
        payment_id: payment.to_string(),
        state: state.into(),
        amount: Some(money_to_proto(refund.amount)),
        note: stored.note,
        failure_reason: refund.failure_reason.unwrap_or_default(),
        create_time: Some(timestamp_to_proto(stored.created_at)),
        update_time: Some(timestamp_to_proto(stored.updated_at)),
    }
}

fn dispute(payment: PaymentId, stored: StoredDispute) -> pb::Dispute {
    let known = stored.dispute.known;
    let funds = known.funds;
    let state = match known.state {
        DisputeState::InquiryNeedsResponse => pb::DisputeState::InquiryNeedsResponse,
        DisputeState::InquiryUnderReview => pb::DisputeState::InquiryUnderReview,
        DisputeState::InquiryClosed => pb::DisputeState::InquiryClosed,
        DisputeState::NeedsResponse => pb::DisputeState::NeedsResponse,
        DisputeState::UnderReview => pb::DisputeState::UnderReview,
        DisputeState::Won => pb::DisputeState::Won,
        DisputeState::Lost => pb::DisputeState::Lost,
    };
    let money = |units| Some(money_to_proto(Money::new(units, known.amount.currency())));
    pb::Dispute {
        dispute_id: stored.dispute.id.to_string(),
        payment_id: payment.to_string(),
        state: state.into(),
        amount: money(known.amount.minor_units()),
        reason: known.reason,
        provider_reference: known.reference,
        withdrawn: money(funds.withdrawn),
        reinstated: money(funds.reinstated),
        fee: money(funds.fee.saturating_sub(funds.fee_returned)),
        create_time: Some(timestamp_to_proto(stored.created_at)),
        update_time: Some(timestamp_to_proto(stored.updated_at)),
    }
}

pub(super) fn line(line: LedgerLine) -> pb::LedgerEntry {
    pb::LedgerEntry {
        entry_id: line.entry_id,
        account: line.account,
        amount: Some(money_to_proto(line.amount)),
        kind: line.kind,
        payment_id: line.payment.to_string(),
        refund_id: line.refund.map(|id| id.to_string()).unwrap_or_default(),
        dispute_id: line.dispute.map(|id| id.to_string()).unwrap_or_default(),
        create_time: Some(timestamp_to_proto(line.created_at)),
    }
}

pub(super) fn balance((account, amount): (String, Money)) -> pb::Balance {
    pb::Balance {
        account,
        amount: Some(money_to_proto(amount)),
    }
}

const fn state(state: State) -> pb::PaymentState {
    match state {
        State::Authorizing => pb::PaymentState::Authorizing,
        State::RequiresAction => pb::PaymentState::RequiresAction,
        State::Authorized => pb::PaymentState::Authorized,
        State::Declined => pb::PaymentState::Declined,
        State::Unknown => pb::PaymentState::Unknown,
        State::Capturing => pb::PaymentState::Capturing,
        State::PartiallyCaptured => pb::PaymentState::PartiallyCaptured,
        State::Captured => pb::PaymentState::Captured,
        State::CaptureUnknown => pb::PaymentState::CaptureUnknown,
        State::Voiding => pb::PaymentState::Voiding,
        State::Voided => pb::PaymentState::Voided,
        State::AuthorizationExpired => pb::PaymentState::AuthorizationExpired,
        State::Conflicted => pb::PaymentState::Conflicted,
    }
}
