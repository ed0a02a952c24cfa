//! The rules of disputes: a bank begins them, decides them, and takes or returns money on the way.

use super::{Decision, Mint, NewDispute};
use crate::error::ApiError;
use crate::journal::MoveKind;
use crate::model::{BalanceTransaction, Dispute, DisputeStatus, EventType, Intent, IntentStatus};

pub(super) fn open(intent: &Intent, new: NewDispute, mint: &Mint<'_>) -> Decision {
    let amount = new.amount.unwrap_or(intent.captured);
    if intent.status != IntentStatus::Succeeded || amount < 1 {
        let message = format!("Nothing of PaymentIntent {} can be disputed.", intent.id);
        return Decision::refused(ApiError::unexpected_state(message), Some(intent));
    }
    let inquiry = new.inquiry;
    let dispute = Dispute {
        id: format!("dp_{}", mint.suffix),
        intent_id: intent.id.clone(),
        amount,
        currency: intent.currency.clone(),
        reason: new.reason.unwrap_or_else(|| "fraudulent".to_owned()),
        status: if inquiry {
            DisputeStatus::WarningNeedsResponse
        } else {
            DisputeStatus::NeedsResponse
        },
        fee: new.fee.unwrap_or(0),
        balance_transactions: Vec::new(),
        created: mint.now,
    };
    let decision = Decision::effect(intent.clone()).telling(EventType::DisputeCreated);
    if inquiry {
        return about(decision, dispute);
    }
    withdraw(decision, dispute, mint)
}

/// What the bank does next with a dispute.
pub(super) fn go_on(
    intent: &Intent,
    dispute: &Dispute,
    to: DisputeStatus,
    mint: &Mint<'_>,
) -> Decision {
    use DisputeStatus as S;
    let mut moved = dispute.clone();
    moved.status = to;
    let decision = Decision::effect(intent.clone());
    match (dispute.status, to) {
        (S::WarningNeedsResponse, S::WarningUnderReview) | (S::NeedsResponse, S::UnderReview) => {
            about(decision.telling(EventType::DisputeUpdated), moved)
        }
        (S::WarningNeedsResponse | S::WarningUnderReview, S::WarningClosed)
        | (S::NeedsResponse | S::UnderReview, S::Lost) => {
            about(decision.telling(EventType::DisputeClosed), moved)
        }
        (S::WarningNeedsResponse | S::WarningUnderReview, S::NeedsResponse) => {
            withdraw(decision.telling(EventType::DisputeUpdated), moved, mint)
        }
        (S::NeedsResponse | S::UnderReview | S::Lost, S::Won) => {
            reinstate(decision.telling(EventType::DisputeClosed), moved, mint)
        }
        (S::Won, S::Lost) => withdraw(decision.telling(EventType::DisputeClosed), moved, mint),
        (from, to) => {
            let id = &dispute.id;
            let message = format!("Dispute {id} cannot go from {from:?} to {to:?}.");
            Decision::refused(ApiError::unexpected_state(message), Some(intent))
        }
    }
}

fn about(mut decision: Decision, dispute: Dispute) -> Decision {
    decision.amount = Some(dispute.amount);
    decision.dispute = Some(dispute);
    decision
}

/// The money leaves our balance, and the fee with it.
fn withdraw(decision: Decision, mut dispute: Dispute, mint: &Mint<'_>) -> Decision {
    let (amount, fee) = (dispute.amount, dispute.fee);
    dispute.balance_transactions.push(BalanceTransaction {
        id: format!("txn_{}", mint.suffix),
        amount: amount.saturating_neg(),
        fee,
    });
    let mut decision = decision
        .moving(MoveKind::DisputeWithdrawn, amount)
        .moving(MoveKind::DisputeFee, fee)
        .telling(EventType::DisputeFundsWithdrawn);
    if let Some(intent) = &mut decision.intent {
        intent.disputed = intent.disputed.saturating_add(amount);
    }
    about(decision, dispute)
}

fn reinstate(decision: Decision, mut dispute: Dispute, mint: &Mint<'_>) -> Decision {
    let (amount, fee) = (dispute.amount, dispute.fee);
    dispute.balance_transactions.push(BalanceTransaction {
        id: format!("txn_{}", mint.suffix),
        amount,
        fee: fee.saturating_neg(),
    });
    let mut decision = decision
        .moving(MoveKind::DisputeReinstated, amount)
        .moving(MoveKind::DisputeFeeReturned, fee)
        .telling(EventType::DisputeFundsReinstated);
    if let Some(intent) = &mut decision.intent {
        intent.disputed = intent.disputed.saturating_sub(amount);
    }
    about(decision, dispute)
}
