//! What the provider's JSON says of a dispute.
//!
//! The list of balance transactions in it is cumulative: it shows all that was moved up to the
//! moment of the webhook, whatever the webhook's kind. So the kind says nothing more.

use serde_json::{Value, json};

use super::wire::{money, unreadable, word};
use crate::domain::{DisputeNews, DisputeState, Funds};
use crate::ports::ProviderError;

/// The most balance transactions that are looked at; the provider promises two.
const TRANSACTIONS_MAX: usize = 16;
/// The longest reference that is kept.
const REFERENCE_LEN_MAX: usize = 255;
/// The last second of the year 9999.
const TIME_MAX: i64 = 253_402_300_799;

/// The few fields that count.
pub(super) fn kept(object: &Value) -> Value {
    let intent = &object["payment_intent"];
    let moved = object["balance_transactions"].as_array();
    let moved = moved.into_iter().flatten().take(TRANSACTIONS_MAX);
    let moved: Vec<Value> = moved
        .map(|moved| {
            json!({
                "amount": moved["amount"],
                "currency": moved["currency"],
                "fee": moved["fee"],
            })
        })
        .collect();
    json!({
        "id": object["id"],
        // An id, or the whole intent where it was asked to be expanded.
        "payment_intent": intent["id"].as_str().or(intent.as_str()),
        "status": object["status"],
        "reason": object["reason"],
        "amount": object["amount"],
        "currency": object["currency"],
        "balance_transactions": moved,
    })
}

/// The news in what was kept, told at that second.
pub(super) fn read(object: &Value, told_at: i64) -> Result<DisputeNews, ProviderError> {
    let (Some(reference), Some(status)) = (object["id"].as_str(), object["status"].as_str()) else {
        return Err(unreadable("dispute"));
    };
    let amount = money(object, "amount")?;
    let known = 1..=REFERENCE_LEN_MAX;
    if !amount.is_positive()
        || !known.contains(&reference.len())
        || !(0..=TIME_MAX).contains(&told_at)
    {
        return Err(unreadable("dispute"));
    }
    let funds = funds(object, amount.minor_units());
    let state = match status {
        "warning_needs_response" => DisputeState::InquiryNeedsResponse,
        "warning_under_review" => DisputeState::InquiryUnderReview,
        "warning_closed" => DisputeState::InquiryClosed,
        "needs_response" => DisputeState::NeedsResponse,
        "under_review" => DisputeState::UnderReview,
        "won" => DisputeState::Won,
        "lost" => DisputeState::Lost,
        // Settled before it became a dispute: with our money, or without.
        "prevented" if funds.withheld() > 0 => DisputeState::Lost,
        "prevented" => DisputeState::InquiryClosed,
        // A status of a later version decides nothing.
        _ => return Err(unreadable("status")),
    };
    Ok(DisputeNews {
        reference: reference.to_owned(),
        amount,
        reason: word(object["reason"].as_str().unwrap_or("GENERAL")),
        state,
        told_at,
        funds,
    })
}

/// What was moved. A transaction is in the currency that we are paid out in: where that is another
/// than the dispute's, the disputed amount stands for it, and the fee is left to the payout's books.
fn funds(object: &Value, disputed: i64) -> Funds {
    let mut funds = Funds::default();
    let moved = object["balance_transactions"].as_array();
    for moved in moved.into_iter().flatten() {
        let same = moved["currency"].as_str() == object["currency"].as_str();
        let amount = moved["amount"].as_i64().unwrap_or_default();
        let fee = moved["fee"].as_i64().filter(|_| same).unwrap_or_default();
        let units = if same {
            amount.saturating_abs()
        } else {
            disputed
        };
        match amount.signum() {
            -1 => funds.withdrawn = funds.withdrawn.saturating_add(units),
            1 => funds.reinstated = funds.reinstated.saturating_add(units),
            _ => {}
        }
        if fee > 0 {
            funds.fee = funds.fee.saturating_add(fee);
        } else {
            funds.fee_returned = funds.fee_returned.saturating_add(fee.saturating_abs());
        }
    }
    funds
}
