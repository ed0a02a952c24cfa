//! Objects as Stripe's JSON shapes.

use serde_json::{Value, json};

use crate::error::ApiError;
use crate::journal::{Entry, EventRef, Op};
use crate::model::{Dispute, EventType, Intent, IntentStatus, Refund, RefundStatus};

/// What stays an id unless the client asked for the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expand {
    Nothing,
    LatestCharge,
}

/// The body of the answer that an entry records.
pub(crate) fn answer(entry: &Entry, expand: Expand) -> Value {
    match (&entry.error, &entry.refund, &entry.intent) {
        // Stripe shows the intent with its own errors, not with those of a refund.
        (Some(failure), _, _) if entry.op == Op::Refund => error(failure, None),
        (Some(failure), _, intent) => error(failure, intent.as_ref()),
        (None, Some(made), _) if entry.op == Op::Refund => refund(made),
        (None, _, Some(_)) if entry.op == Op::Dispute => {
            entry.dispute.as_ref().map_or(Value::Null, dispute)
        }
        (None, _, Some(made)) => intent(made, expand),
        (None, _, None) => Value::Null,
    }
}

pub(crate) fn error(error: &ApiError, about: Option<&Intent>) -> Value {
    let mut body = json!({ "type": error.kind, "message": error.message });
    if let Some(fields) = body.as_object_mut() {
        for (name, value) in [
            ("code", &error.code),
            ("decline_code", &error.decline_code),
            ("param", &error.param),
        ] {
            if let Some(value) = value {
                fields.insert(name.to_owned(), json!(value));
            }
        }
        if let Some(about) = about {
            fields.insert("payment_intent".to_owned(), intent(about, Expand::Nothing));
        }
    }
    json!({ "error": body })
}

pub(crate) fn intent(intent: &Intent, expand: Expand) -> Value {
    let latest_charge = match (intent.charge_id(), expand) {
        (None, _) => Value::Null,
        (Some(id), Expand::Nothing) => json!(id),
        (Some(_), Expand::LatestCharge) => charge(intent),
    };
    let next_action = match intent.status {
        IntentStatus::RequiresAction => {
            json!({ "type": "use_stripe_sdk", "use_stripe_sdk": { "type": "three_d_secure_redirect" } })
        }
        IntentStatus::RequiresPaymentMethod
        | IntentStatus::RequiresConfirmation
        | IntentStatus::RequiresCapture
        | IntentStatus::Processing
        | IntentStatus::Succeeded
        | IntentStatus::Canceled => Value::Null,
    };
    json!({
        "id": intent.id,
        "object": "payment_intent",
        "amount": intent.amount,
        "amount_capturable": intent.capturable(),
        "amount_received": intent.captured,
        "canceled_at": intent.canceled_at,
        "cancellation_reason": intent.cancellation_reason,
        "capture_method": intent.capture_method,
        "client_secret": format!("{}_secret_sim", intent.id),
        "confirmation_method": "automatic",
        "created": intent.created,
        "currency": intent.currency,
        "customer": null,
        "description": intent.description,
        "last_payment_error": intent.last_payment_error.as_deref().map(last_payment_error),
        "latest_charge": latest_charge,
        "livemode": false,
        "metadata": intent.metadata,
        "next_action": next_action,
        "payment_method": intent.payment_method,
        "payment_method_types": ["card"],
        "status": intent.status,
    })
}

fn last_payment_error(error: &ApiError) -> Value {
    json!({
        "type": error.kind,
        "code": error.code,
        "decline_code": error.decline_code,
        "message": error.message,
    })
}

pub(crate) fn charge(intent: &Intent) -> Value {
    json!({
        "id": intent.charge_id(),
        "object": "charge",
        "amount": intent.amount,
        "amount_captured": intent.captured,
        "amount_refunded": intent.refunded,
        "captured": intent.captured > 0,
        "created": intent.created,
        "currency": intent.currency,
        "disputed": intent.disputed > 0,
        "livemode": false,
        "metadata": intent.metadata,
        "payment_intent": intent.id,
        "payment_method": intent.payment_method,
        "refunded": intent.captured > 0 && intent.refunded == intent.captured,
        "status": "succeeded",
    })
}

pub(crate) fn refund(refund: &Refund) -> Value {
    let suffix = refund
        .intent_id
        .strip_prefix("pi_")
        .unwrap_or(&refund.intent_id);
    let mut body = json!({
        "id": refund.id,
        "object": "refund",
        "amount": refund.amount,
        "charge": format!("ch_{suffix}"),
        "created": refund.created,
        "currency": refund.currency,
        "metadata": refund.metadata,
        "payment_intent": refund.intent_id,
        "reason": refund.reason,
        "status": refund.status,
    });
    if let (RefundStatus::Failed, Some(fields)) = (refund.status, body.as_object_mut()) {
        fields.insert("failure_reason".to_owned(), json!("lost_or_stolen_card"));
    }
    body
}

/// As Stripe's, it carries none of the merchant's references but the intent's id.
pub(crate) fn dispute(dispute: &Dispute) -> Value {
    let suffix = dispute
        .intent_id
        .strip_prefix("pi_")
        .unwrap_or(&dispute.intent_id);
    let moved = dispute.balance_transactions.iter().map(|moved| {
        json!({
            "id": moved.id,
            "object": "balance_transaction",
            "amount": moved.amount,
            "currency": dispute.currency,
            "fee": moved.fee,
            "net": moved.amount.saturating_sub(moved.fee),
            "type": "adjustment",
        })
    });
    json!({
        "id": dispute.id,
        "object": "dispute",
        "amount": dispute.amount,
        "balance_transactions": moved.collect::<Vec<_>>(),
        "charge": format!("ch_{suffix}"),
        "created": dispute.created,
        "currency": dispute.currency,
        "is_charge_refundable": dispute.balance_transactions.is_empty(),
        "livemode": false,
        "metadata": {},
        "payment_intent": dispute.intent_id,
        "reason": dispute.reason,
        "status": dispute.status,
    })
}

/// The payload of a webhook; the same for every delivery of the event, also after a restart.
pub(crate) fn event(entry: &Entry, event: &EventRef) -> Value {
    let object = match event.kind {
        EventType::AmountCapturableUpdated
        | EventType::Succeeded
        | EventType::PaymentFailed
        | EventType::Canceled
        | EventType::RequiresAction
        | EventType::Processing => entry
            .intent
            .as_ref()
            .map(|about| intent(about, Expand::Nothing)),
        EventType::ChargeRefunded => entry.intent.as_ref().map(charge),
        EventType::RefundCreated | EventType::RefundUpdated | EventType::RefundFailed => {
            entry.refund.as_ref().map(refund)
        }
        EventType::DisputeCreated
        | EventType::DisputeUpdated
        | EventType::DisputeFundsWithdrawn
        | EventType::DisputeFundsReinstated
        | EventType::DisputeClosed => entry.dispute.as_ref().map(dispute),
    };
    envelope(
        &event.id,
        &json!(event.kind),
        entry.time.unix_timestamp(),
        object,
    )
}

pub(crate) fn envelope(id: &str, kind: &Value, created: i64, object: Option<Value>) -> Value {
    json!({
        "id": id,
        "object": "event",
        "api_version": "2025-03-31.basil",
        "created": created,
        "data": { "object": object },
        "livemode": false,
        "pending_webhooks": 1,
        "type": kind,
    })
}

/// One page of a list.
pub(crate) fn list(url: &str, data: Vec<Value>, has_more: bool) -> Value {
    json!({ "object": "list", "url": url, "has_more": has_more, "data": data })
}

/// One page of a search.
pub(crate) fn search_result(data: Vec<Value>, next_page: Option<String>) -> Value {
    json!({
        "object": "search_result",
        "url": "/v1/payment_intents/search",
        "has_more": next_page.is_some(),
        "next_page": next_page,
        "data": data,
    })
}
