//! The rules of refunds: all refunds together never exceed what was captured.

use super::{Decision, Mint, NewRefund};
use crate::card::Card;
use crate::error::ApiError;
use crate::journal::MoveKind;
use crate::model::{EventType, Intent, IntentStatus, Refund, RefundStatus, Settlement};

pub(super) fn create(intent: &Intent, new: NewRefund, mint: &Mint<'_>) -> Decision {
    if intent.status != IntentStatus::Succeeded {
        let message = format!(
            "This PaymentIntent ({}) does not have a successful charge to refund.",
            intent.id
        );
        return Decision::refused(ApiError::unexpected_state(message), Some(intent));
    }
    let card = intent.payment_method.as_deref().and_then(Card::find);
    let charge = intent.charge_id().unwrap_or_default();
    let left = intent.refundable();
    let unrefunded = intent.captured.saturating_sub(intent.refunded);
    let barred = left < new.amount.unwrap_or(left.max(1)) && unrefunded > left;
    if card == Some(Card::IsDisputed) || barred {
        let message = format!("Charge {charge} has been charged back; cannot issue a refund.");
        let error = ApiError::invalid(message).code("charge_disputed");
        return Decision::refused(error, Some(intent));
    }
    if left == 0 {
        let error = ApiError::invalid(format!("Charge {charge} has already been refunded."));
        return Decision::refused(error.code("charge_already_refunded"), Some(intent));
    }
    let amount = new.amount.unwrap_or(left);
    if amount > left {
        let error = ApiError::invalid(format!(
            "Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"
        ));
        return Decision::refused(error.code("amount_too_large").param("amount"), Some(intent));
    }
    let (status, settles) = match card {
        Some(Card::RefundFails) => (RefundStatus::Succeeded, Some(Settlement::Fail)),
        Some(Card::RefundIsSlow) => (RefundStatus::Pending, Some(Settlement::Succeed)),
        _ => (RefundStatus::Succeeded, None),
    };
    let mut refunded = intent.clone();
    refunded.refunded = refunded.refunded.saturating_add(amount);
    let mut decision = Decision::effect(refunded)
        .moving(MoveKind::Refunded, amount)
        .telling(EventType::RefundCreated)
        .telling(EventType::ChargeRefunded);
    decision.amount = Some(amount);
    decision.refund = Some(Refund {
        id: format!("re_{}", mint.suffix),
        intent_id: intent.id.clone(),
        amount,
        currency: intent.currency.clone(),
        status,
        settles,
        reason: new.reason,
        created: mint.now,
        metadata: new.metadata,
    });
    decision
}

/// The end of a refund that could not be known when it was made.
pub(super) fn settle(intent: &Intent, refund: &Refund) -> Decision {
    let mut ended = refund.clone();
    ended.settles = None;
    let mut intent = intent.clone();
    let mut decision = match refund.settles {
        None => {
            let error = ApiError::invalid(format!("Refund {} has already ended.", refund.id));
            return Decision::refused(error, Some(&intent));
        }
        Some(Settlement::Succeed) => {
            ended.status = RefundStatus::Succeeded;
            Decision::effect(intent).telling(EventType::RefundUpdated)
        }
        Some(Settlement::Fail) => {
            ended.status = RefundStatus::Failed;
            intent.refunded = intent.refunded.saturating_sub(refund.amount);
            Decision::effect(intent)
                .moving(MoveKind::RefundReversed, refund.amount)
                .telling(EventType::RefundUpdated)
                .telling(EventType::RefundFailed)
        }
    };
    decision.amount = Some(refund.amount);
    decision.refund = Some(ended);
    decision
}
