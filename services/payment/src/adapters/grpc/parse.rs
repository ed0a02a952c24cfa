//! From requests to values; every bad field is told at once.

use prost::Message;
use tonic::Status;
use tradepost_proto::convert::money_from_proto;
use tradepost_proto::payment::v1 as pb;
use tradepost_service::error::Violations;
use tradepost_service::request_id::fingerprint;
use tradepost_types::PaymentId;

use super::{DOMAIN, status};
use crate::ports::{LedgerFilter, NewRefund, RequestKey};

/// The longest note.
const NOTE_CHARS_MAX: usize = 200;
/// The longest name of an account.
const ACCOUNT_LEN_MAX: usize = 100;
/// The largest webhook.
const WEBHOOK_BYTES_MAX: usize = 64 * 1_024;

pub(super) fn payment_id(text: &str) -> Result<PaymentId, Status> {
    let mut violations = Violations::new();
    let id = violations.take("payment_id", text.parse());
    violations.clone().check(DOMAIN)?;
    id.ok_or_else(|| violations.into_failure(DOMAIN).into())
}

pub(super) fn refund(request: &pb::CreateRefundRequest) -> Result<(RequestKey, NewRefund), Status> {
    let mut violations = Violations::new();
    violations.request_id(&request.request_id);
    let payment = violations.take("payment_id", request.payment_id.parse());
    let amount = match &request.amount {
        None => None,
        Some(amount) => violations.take("amount", money_from_proto(Some(amount))),
    };
    if amount.is_some_and(|amount| !amount.is_positive()) {
        violations.add("amount", "must be above zero");
    }
    if request.note.chars().count() > NOTE_CHARS_MAX || request.note.contains('\0') {
        violations.add("note", "must have at most 200 characters");
    }
    let Some(payment) = payment.filter(|_| violations.is_empty()) else {
        return Err(violations.into_failure(DOMAIN).into());
    };
    let mut body = request.clone();
    body.request_id.clear();
    let key = RequestKey {
        id: request.request_id.clone(),
        fingerprint: fingerprint(&body.encode_to_vec()),
    };
    let note = request.note.clone();
    Ok((
        key,
        NewRefund {
            payment,
            amount,
            note,
        },
    ))
}

pub(super) fn ledger_filter(
    request: &pb::ListLedgerEntriesRequest,
) -> Result<LedgerFilter, Status> {
    let mut violations = Violations::new();
    let payment = match request.payment_id.as_str() {
        "" => None,
        text => violations.take("payment_id", text.parse()),
    };
    if request.account.len() > ACCOUNT_LEN_MAX || request.account.contains('\0') {
        violations.add("account", "must have at most 100 characters");
    }
    violations.check(DOMAIN)?;
    Ok(LedgerFilter {
        payment,
        account: Some(request.account.clone()).filter(|account| !account.is_empty()),
        after: None,
    })
}

pub(super) fn webhook_size(payload: &[u8]) -> Result<(), Status> {
    if payload.len() > WEBHOOK_BYTES_MAX {
        return Err(status::webhook_malformed());
    }
    Ok(())
}
