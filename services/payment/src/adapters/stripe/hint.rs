//! From a webhook's body to news. A webhook is a hint: it leads to the same transition as an
//! answer, and old news change nothing.
#![expect(
    clippy::indexing_slicing,
    reason = "reading a JSON value by name gives null where there is none"
)]

use secrecy::SecretString;
use serde_json::{Value, json};
use tradepost_service::Clock;
use tradepost_types::{PaymentId, RefundId, TenantId};

use super::signature::{self, SignatureError};
use super::{dispute, wire};
use crate::domain::{Input, Observation, RefundInput};
use crate::ports::{Key, News, WebhookEvent, WebhookFault, WebhookReader, Whose};

/// The longest event id that is taken.
const EVENT_ID_LEN_MAX: usize = 255;

/// What the kinds of webhooks about disputes begin with.
const DISPUTE: &str = "charge.dispute.";

/// Reads webhooks that one of the secrets signed.
pub struct StripeWebhooks {
    secrets: Vec<SecretString>,
    clock: Clock,
}

impl StripeWebhooks {
    /// Several secrets make rotation possible.
    #[must_use]
    pub const fn new(secrets: Vec<SecretString>, clock: Clock) -> Self {
        Self { secrets, clock }
    }
}

impl WebhookReader for StripeWebhooks {
    fn read(&self, payload: &[u8], signature: &str) -> Result<Option<WebhookEvent>, WebhookFault> {
        let now = self.clock.now().unix_timestamp();
        signature::verify(signature, payload, &self.secrets, now).map_err(|error| match error {
            SignatureError::Invalid => WebhookFault::Forged,
            SignatureError::Stale => WebhookFault::Stale,
        })?;
        event(payload)
    }
}

fn event(payload: &[u8]) -> Result<Option<WebhookEvent>, WebhookFault> {
    let event: Value = serde_json::from_slice(payload).map_err(|_text| WebhookFault::Malformed)?;
    let (Some(id), Some(kind)) = (event["id"].as_str(), event["type"].as_str()) else {
        return Err(WebhookFault::Malformed);
    };
    if id.is_empty() || id.len() > EVENT_ID_LEN_MAX {
        return Err(WebhookFault::Malformed);
    }
    let object = &event["data"]["object"];
    if !object.is_object() {
        return Err(WebhookFault::Malformed);
    }
    let hint = if kind.starts_with(DISPUTE) {
        json!({"type": kind, "created": event["created"], "object": dispute::kept(object)})
    } else {
        kept(kind, object)
    };
    // PostgreSQL holds no NUL, in no text.
    if id.contains('\0') || hint.to_string().contains("\\u0000") {
        return Err(WebhookFault::Malformed);
    }
    Ok(restore(&hint).map(|(about, news)| WebhookEvent {
        id: id.to_owned(),
        about,
        news,
        hint,
    }))
}

/// The few fields that count, never the whole body.
fn kept(kind: &str, object: &Value) -> Value {
    json!({
        "type": kind,
        "object": {
            "id": object["id"],
            "status": object["status"],
            "amount_capturable": object["amount_capturable"],
            "amount_received": object["amount_received"],
            "currency": object["currency"],
            "failure_reason": object["failure_reason"],
            "last_payment_error": {
                "code": object["last_payment_error"]["code"],
                "decline_code": object["last_payment_error"]["decline_code"],
            },
            "metadata": {
                "tenant_id": object["metadata"]["tenant_id"],
                "payment_id": object["metadata"]["payment_id"],
                "refund_id": object["metadata"]["refund_id"],
            },
        },
    })
}

/// The news in a kept hint, and of which payment.
pub(crate) fn restore(hint: &Value) -> Option<(Whose, News)> {
    let kind = hint["type"].as_str()?;
    let object = &hint["object"];
    if kind.starts_with(DISPUTE) {
        // The bank began it: none of our references is with it, but the provider's of the intent.
        let intent = object["payment_intent"].as_str()?.to_owned();
        let news = dispute::read(object, hint["created"].as_i64()?).ok()?;
        return Some((Whose::Theirs(intent), News::Dispute(news)));
    }
    let ours = &object["metadata"];
    let tenant: TenantId = ours["tenant_id"].as_str()?.parse().ok()?;
    let payment: PaymentId = ours["payment_id"].as_str()?.parse().ok()?;
    let news = if kind.starts_with("payment_intent.") {
        let seen = wire::intent(object).ok()?;
        if seen.observation == Observation::Processing {
            return None;
        }
        News::Payment {
            reference: Some(seen.reference),
            input: Input::Observed(seen.observation),
        }
    } else if kind.starts_with("refund.") {
        let id: RefundId = ours["refund_id"].as_str()?.parse().ok()?;
        let seen = wire::refund(object).ok()?;
        if seen.input == RefundInput::Pending {
            return None;
        }
        News::Refund {
            id,
            reference: Some(seen.reference),
            input: seen.input,
        }
    } else {
        return None;
    };
    Some((Whose::Ours(Key { tenant, payment }), news))
}
