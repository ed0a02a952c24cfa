//! The rules of payment intents.

use super::{Confirmation, Decision, Mint, NewIntent};
use crate::card::{self, Card, Decline};
use crate::error::ApiError;
use crate::journal::{MoveKind, Outcome};
use crate::model::{CaptureMethod, EventType, Intent, IntentStatus};
use crate::simulator::ActionResult;

pub(super) fn create(new: NewIntent, mint: &Mint<'_>) -> Decision {
    let status = match new.confirmation.method {
        Some(_) => IntentStatus::RequiresConfirmation,
        None => IntentStatus::RequiresPaymentMethod,
    };
    let intent = Intent {
        id: format!("pi_{}", mint.suffix),
        amount: new.amount,
        currency: new.currency,
        capture_method: new.capture_method,
        status,
        payment_method: new.confirmation.method.clone(),
        captured: 0,
        refunded: 0,
        disputed: 0,
        charged: false,
        created: mint.now,
        canceled_at: None,
        cancellation_reason: None,
        description: new.description,
        last_payment_error: None,
        metadata: new.metadata,
    };
    if new.confirm {
        confirm(&intent, new.confirmation)
    } else {
        Decision::effect(intent)
    }
}

pub(super) fn confirm(intent: &Intent, confirmation: Confirmation) -> Decision {
    match intent.status {
        IntentStatus::RequiresPaymentMethod
        | IntentStatus::RequiresConfirmation
        | IntentStatus::RequiresAction => {}
        IntentStatus::RequiresCapture
        | IntentStatus::Processing
        | IntentStatus::Succeeded
        | IntentStatus::Canceled => return unexpected(intent, "confirmed"),
    }
    let mut intent = intent.clone();
    if let Some(method) = confirmation.method {
        intent.payment_method = Some(method);
    }
    match card_of(&intent) {
        None => {
            let message = "You cannot confirm this PaymentIntent because it's missing a payment \
                           method. Update the PaymentIntent with a payment method and then \
                           confirm it again.";
            Decision::refused(ApiError::unexpected_state(message), Some(&intent))
        }
        Some(Card::Declines(decline)) => decline_with(intent, decline),
        Some(Card::NeedsAction) if confirmation.off_session => {
            decline_with(intent, &card::AUTHENTICATION_REQUIRED)
        }
        Some(Card::NeedsAction) => {
            intent.status = IntentStatus::RequiresAction;
            Decision::effect(intent).telling(EventType::RequiresAction)
        }
        Some(
            card @ (Card::Approves
            | Card::CaptureExpires
            | Card::CaptureIsSlow
            | Card::RefundFails
            | Card::RefundIsSlow
            | Card::IsDisputed
            | Card::AnswersOtherAmount),
        ) => authorise(intent, card),
    }
}

fn decline_with(intent: Intent, decline: &Decline) -> Decision {
    fail(intent, ApiError::declined(decline), Outcome::Declined)
}

fn fail(mut intent: Intent, error: ApiError, outcome: Outcome) -> Decision {
    intent.status = IntentStatus::RequiresPaymentMethod;
    intent.payment_method = None;
    intent.last_payment_error = Some(Box::new(error.clone()));
    let mut decision = Decision::effect(intent).telling(EventType::PaymentFailed);
    decision.outcome = outcome;
    decision.error = Some(error);
    decision
}

fn authorise(mut intent: Intent, card: Card) -> Decision {
    intent.charged = true;
    intent.last_payment_error = None;
    if card == Card::AnswersOtherAmount {
        intent.amount = intent.amount.saturating_add(1);
    }
    let amount = intent.amount;
    match intent.capture_method {
        CaptureMethod::Manual => {
            intent.status = IntentStatus::RequiresCapture;
            Decision::effect(intent)
                .moving(MoveKind::Authorised, amount)
                .telling(EventType::AmountCapturableUpdated)
        }
        CaptureMethod::Automatic | CaptureMethod::AutomaticAsync => {
            let mut decision = take(intent, amount, card);
            decision.moves.insert(
                0,
                crate::Move {
                    kind: MoveKind::Authorised,
                    amount,
                },
            );
            decision
        }
    }
}

pub(super) fn capture(intent: &Intent, amount: Option<i64>, mint: &Mint<'_>) -> Decision {
    if intent.status != IntentStatus::RequiresCapture {
        return unexpected(intent, "captured");
    }
    let amount = amount.unwrap_or(intent.amount);
    if amount > intent.capturable() {
        let error = ApiError::invalid(format!(
            "The amount_to_capture {amount} is greater than the {} that can be captured.",
            intent.capturable()
        ));
        let error = error.code("amount_too_large").param("amount_to_capture");
        return Decision::refused(error, Some(intent));
    }
    match card_of(intent) {
        Some(Card::CaptureExpires) => expire(intent.clone(), mint),
        Some(card) => take(intent.clone(), amount, card),
        None => take(intent.clone(), amount, Card::Approves),
    }
}

/// Captures `amount`; what is left of the authorisation is free again, as with Stripe.
fn take(mut intent: Intent, amount: i64, card: Card) -> Decision {
    intent.captured = amount;
    if card == Card::CaptureIsSlow {
        intent.status = IntentStatus::Processing;
        let mut decision = Decision::effect(intent).telling(EventType::Processing);
        decision.amount = Some(amount);
        return decision;
    }
    finish_capture(intent)
}

fn finish_capture(mut intent: Intent) -> Decision {
    intent.status = IntentStatus::Succeeded;
    let (taken, rest) = (
        intent.captured,
        intent.amount.saturating_sub(intent.captured),
    );
    let mut decision = Decision::effect(intent)
        .moving(MoveKind::Captured, taken)
        .moving(MoveKind::Released, rest)
        .telling(EventType::Succeeded);
    decision.amount = Some(taken);
    decision
}

fn expire(mut intent: Intent, mint: &Mint<'_>) -> Decision {
    let amount = intent.amount;
    intent.status = IntentStatus::Canceled;
    intent.canceled_at = Some(mint.now);
    intent.cancellation_reason = Some("automatic".to_owned());
    let message = "The charge cannot be captured as the authorization has expired. Auth and \
                   capture charges must be captured within a set number of days.";
    let mut decision = Decision::effect(intent)
        .moving(MoveKind::Expired, amount)
        .telling(EventType::Canceled);
    decision.outcome = Outcome::Refused;
    decision.error = Some(ApiError::invalid(message).code("charge_expired_for_capture"));
    decision
}

pub(super) fn cancel(intent: &Intent, reason: Option<String>, mint: &Mint<'_>) -> Decision {
    let held = intent.capturable();
    match intent.status {
        IntentStatus::RequiresPaymentMethod
        | IntentStatus::RequiresConfirmation
        | IntentStatus::RequiresAction
        | IntentStatus::RequiresCapture => {}
        IntentStatus::Processing | IntentStatus::Succeeded | IntentStatus::Canceled => {
            return unexpected(intent, "canceled");
        }
    }
    let mut canceled = intent.clone();
    canceled.status = IntentStatus::Canceled;
    canceled.canceled_at = Some(mint.now);
    canceled.cancellation_reason = reason;
    Decision::effect(canceled)
        .moving(MoveKind::Voided, held)
        .telling(EventType::Canceled)
}

pub(super) fn complete_action(intent: &Intent, result: ActionResult) -> Decision {
    if intent.status != IntentStatus::RequiresAction {
        return unexpected(intent, "authenticated");
    }
    match result {
        ActionResult::Succeed => authorise(intent.clone(), Card::Approves),
        ActionResult::Fail => {
            let mut decision = fail(
                intent.clone(),
                ApiError::authentication_failed(),
                Outcome::Declined,
            );
            // The customer's failure is no error of the call that reports it.
            decision.error = None;
            decision
        }
    }
}

pub(super) fn settle(intent: &Intent) -> Decision {
    if intent.status == IntentStatus::Processing {
        finish_capture(intent.clone())
    } else {
        unexpected(intent, "settled")
    }
}

fn card_of(intent: &Intent) -> Option<Card> {
    intent.payment_method.as_deref().and_then(Card::find)
}

fn unexpected(intent: &Intent, verb: &str) -> Decision {
    let status = intent.status.name();
    let message =
        format!("This PaymentIntent could not be {verb} because it has a status of {status}.");
    Decision::refused(ApiError::unexpected_state(message), Some(intent))
}
