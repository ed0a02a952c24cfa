//! What the provider's JSON and statuses mean.
#![expect(
    clippy::indexing_slicing,
    reason = "reading a JSON value by name gives null where there is none"
)]

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde_json::Value;
use tradepost_types::{Currency, Money, RefundId};

use crate::domain::{Observation, RefundInput};
use crate::ports::{ProviderError, Seen, SeenRefund};

/// A fault before an answer: only a failed connect surely had no effect.
pub(super) fn transport_error(error: reqwest::Error) -> ProviderError {
    if error.is_connect() {
        return ProviderError::Unavailable { retry_after: None };
    }
    lost_answer(error)
}

/// The request went out and its answer is lost. The URL may hold a reference: it is not kept.
pub(super) fn lost_answer(error: reqwest::Error) -> ProviderError {
    ProviderError::Unknown(error.without_url().into())
}

/// The wait the provider wishes for.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Sorts out the statuses that mean the same for every call.
pub(super) fn sort_status(
    status: StatusCode,
    retry_after: Option<Duration>,
) -> Result<(), ProviderError> {
    match status.as_u16() {
        // Throttled, a twin of the call under way, or our key is at fault: nothing was done by
        // this call, and none of that is the customer's fault.
        409 | 429 | 401 | 403 => Err(ProviderError::Unavailable { retry_after }),
        500.. => Err(ProviderError::Unknown(
            format!("the provider answered {status}").into(),
        )),
        _ => Ok(()),
    }
}

/// Whether the provider as a whole seems to be in trouble.
pub(super) fn is_outage(error: &ProviderError) -> bool {
    match error {
        ProviderError::Unknown(_) | ProviderError::Unavailable { .. } => true,
        ProviderError::Declined { .. }
        | ProviderError::Refused { .. }
        | ProviderError::NotFound => false,
    }
}

/// The answer to a new intent.
pub(super) fn created(status: StatusCode, body: &Value) -> Result<Seen, ProviderError> {
    if status.is_success() {
        return intent(body);
    }
    let error = &body["error"];
    if status == StatusCode::PAYMENT_REQUIRED {
        let reason = decline_reason(error);
        return match error["payment_intent"]["id"].as_str() {
            Some(reference) => Ok(Seen {
                reference: reference.to_owned(),
                observation: Observation::Declined { reason },
            }),
            None => Err(ProviderError::Declined { reason }),
        };
    }
    Err(ProviderError::Refused { code: code(error) })
}

/// The answer to a capture or a cancellation. A refusal shows the intent, whose state decides.
pub(super) fn changed(status: StatusCode, body: &Value) -> Result<Seen, ProviderError> {
    if status.is_success() {
        return intent(body);
    }
    let error = &body["error"];
    if error["payment_intent"].is_object() {
        let seen = intent(&error["payment_intent"])?;
        if matches!(
            seen.observation,
            Observation::Taken(_) | Observation::Canceled
        ) {
            return Ok(seen);
        }
    }
    let code = code(error);
    if code == "charge_expired_for_capture" {
        return Err(ProviderError::NotFound);
    }
    Err(ProviderError::Refused { code })
}

/// The answer to a question for one intent.
pub(super) fn read(status: StatusCode, body: &Value) -> Result<Seen, ProviderError> {
    if status.is_success() {
        return intent(body);
    }
    Err(not_found_or_refused(status, body))
}

/// The answer to a search by our own reference.
pub(super) fn searched(status: StatusCode, body: &Value) -> Result<Seen, ProviderError> {
    if !status.is_success() {
        return Err(not_found_or_refused(status, body));
    }
    let found = body["data"].as_array().and_then(|found| found.first());
    intent(found.ok_or(ProviderError::NotFound)?)
}

/// The answer to a new refund.
pub(super) fn refunded(status: StatusCode, body: &Value) -> Result<SeenRefund, ProviderError> {
    if status.is_success() {
        return refund(body);
    }
    let code = code(&body["error"]);
    if code == "charge_disputed" {
        // The bank has the money until the dispute is decided; nothing may go back beside it.
        let reason = "PAYMENT_DISPUTED".to_owned();
        return Err(ProviderError::Declined { reason });
    }
    Err(ProviderError::Refused { code })
}

/// What a page of an intent's refunds shows of ours.
#[derive(Debug)]
pub(super) enum Found {
    /// It is there.
    Refund(SeenRefund),
    /// It may be among those that follow the one of this name.
    More {
        /// The last of the page.
        after: String,
    },
    /// It is not there, and no more follow.
    Nothing,
}

/// Our refund in a page of the intent's. A page that cannot be read does not say that it is not there.
pub(super) fn find_refund(
    status: StatusCode,
    body: &Value,
    id: RefundId,
) -> Result<Found, ProviderError> {
    if !status.is_success() {
        return Err(not_found_or_refused(status, body));
    }
    let (Some(page), Some(has_more)) = (body["data"].as_array(), body["has_more"].as_bool()) else {
        return Err(unreadable("list of refunds"));
    };
    let id = id.to_string();
    let mut ours = page.iter();
    if let Some(found) = ours.find(|made| made["metadata"]["refund_id"] == id.as_str()) {
        return refund(found).map(Found::Refund);
    }
    if !has_more {
        return Ok(Found::Nothing);
    }
    let last = page.last().and_then(|last| last["id"].as_str());
    let after = last.ok_or_else(|| unreadable("list of refunds"))?;
    Ok(Found::More {
        after: after.to_owned(),
    })
}

/// What an intent shows.
pub(super) fn intent(body: &Value) -> Result<Seen, ProviderError> {
    let (Some(reference), Some(status)) = (body["id"].as_str(), body["status"].as_str()) else {
        return Err(unreadable("intent"));
    };
    let observation = match status {
        "requires_capture" => Observation::Held(money(body, "amount_capturable")?),
        "succeeded" => Observation::Taken(money(body, "amount_received")?),
        "requires_action" | "requires_confirmation" => Observation::ActionRequired,
        "requires_payment_method" => Observation::Declined {
            reason: decline_reason(&body["last_payment_error"]),
        },
        "canceled" => Observation::Canceled,
        "processing" => Observation::Processing,
        // A status of a later version decides nothing.
        _ => return Err(unreadable("status")),
    };
    Ok(Seen {
        reference: reference.to_owned(),
        observation,
    })
}

/// What a refund shows.
pub(super) fn refund(body: &Value) -> Result<SeenRefund, ProviderError> {
    let (Some(reference), Some(status)) = (body["id"].as_str(), body["status"].as_str()) else {
        return Err(unreadable("refund"));
    };
    let input = match status {
        "succeeded" => RefundInput::Succeeded,
        "failed" | "canceled" => RefundInput::Failed {
            reason: word(
                body["failure_reason"]
                    .as_str()
                    .unwrap_or("PROVIDER_REFUSED"),
            ),
        },
        _ => RefundInput::Pending,
    };
    Ok(SeenRefund {
        reference: reference.to_owned(),
        input,
    })
}

pub(super) fn money(body: &Value, field: &str) -> Result<Money, ProviderError> {
    let units = body[field].as_i64().ok_or_else(|| unreadable("amount"))?;
    let code = body["currency"].as_str().unwrap_or_default();
    let currency: Currency = code
        .to_ascii_uppercase()
        .parse()
        .map_err(|_unknown| unreadable("currency"))?;
    Ok(Money::new(units, currency))
}

fn decline_reason(error: &Value) -> String {
    let given = error["decline_code"].as_str().or(error["code"].as_str());
    match given {
        Some("generic_decline" | "card_declined") => "CARD_DECLINED".to_owned(),
        Some("payment_intent_authentication_failure" | "authentication_required") => {
            "ACTION_FAILED".to_owned()
        }
        Some(code) => word(code),
        None => "CARD_DECLINED".to_owned(),
    }
}

/// The provider's code as a reason of ours: letters, digits and underscores, of bounded length.
pub(super) fn word(code: &str) -> String {
    let fits = |letter: &char| letter.is_ascii_alphanumeric() || *letter == '_';
    let word: String = code.chars().filter(fits).take(64).collect();
    word.to_ascii_uppercase()
}

fn code(error: &Value) -> String {
    let code = error["code"].as_str().or(error["type"].as_str());
    code.unwrap_or("provider_refused").to_owned()
}

fn not_found_or_refused(status: StatusCode, body: &Value) -> ProviderError {
    if status == StatusCode::NOT_FOUND {
        return ProviderError::NotFound;
    }
    let code = code(&body["error"]);
    ProviderError::Unknown(format!("the provider refused a question: {code}").into())
}

pub(super) fn unreadable(what: &str) -> ProviderError {
    ProviderError::Unknown(format!("the provider's {what} cannot be read").into())
}
