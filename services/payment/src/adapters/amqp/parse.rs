//! From messages to commands. What cannot be one is poison: it will never work.

use tradepost_messaging::{HandleError, Message};
use tradepost_proto::common::v1 as common;
use tradepost_proto::convert::money_from_proto;
use tradepost_proto::payment::command::v1 as pb;
use tradepost_telemetry::Redacted;
use tradepost_types::{CardToken, Money};

use crate::ports::{Action, Asked};

/// The command in a message.
pub(super) fn asked(message: &Message) -> Result<Asked, HandleError> {
    let (payment, order, action) = if message.is::<pb::AuthorizePayment>() {
        let body: pb::AuthorizePayment = message.decode()?;
        let action = Action::Authorize {
            amount: positive(body.amount.as_ref())?,
            payment_method: payment_method(&body.payment_method)?,
        };
        (body.payment_id, body.order_id, action)
    } else if message.is::<pb::CapturePayment>() {
        let body: pb::CapturePayment = message.decode()?;
        let amount = optional(body.amount.as_ref())?;
        (body.payment_id, body.order_id, Action::Capture(amount))
    } else if message.is::<pb::RefundPayment>() {
        let body: pb::RefundPayment = message.decode()?;
        let refund = body.refund_id.parse();
        let refund = refund.map_err(|error| invalid("refund_id", &error))?;
        let amount = optional(body.amount.as_ref())?;
        let action = Action::Refund(refund, amount);
        (body.payment_id, body.order_id, action)
    } else {
        let body: pb::VoidPayment = message.decode()?;
        (body.payment_id, body.order_id, Action::Void)
    };
    Ok(Asked {
        cause: message.clone(),
        payment: payment
            .parse()
            .map_err(|error| invalid("payment_id", &error))?,
        order: order.parse().map_err(|error| invalid("order_id", &error))?,
        action,
    })
}

fn positive(amount: Option<&common::Money>) -> Result<Money, HandleError> {
    let amount = money_from_proto(amount).map_err(|error| invalid("amount", &error))?;
    if amount.is_positive() {
        return Ok(amount);
    }
    Err(poison("amount", "must be above zero"))
}

fn optional(amount: Option<&common::Money>) -> Result<Option<Money>, HandleError> {
    amount
        .map(|amount| money_from_proto(Some(amount)).map_err(|error| invalid("amount", &error)))
        .transpose()
}

/// The same rule by which an order is accepted: a card number must not reach a table, whoever
/// sends it.
fn payment_method(token: &str) -> Result<Redacted<String>, HandleError> {
    let token: Result<CardToken, _> = token.parse();
    let token = token.map_err(|error| invalid("payment_method", &error))?;
    Ok(Redacted::new(token.into_string()))
}

fn invalid(field: &str, error: &dyn std::error::Error) -> HandleError {
    poison(field, &error.to_string())
}

fn poison(field: &str, fault: &str) -> HandleError {
    HandleError::Poison {
        reason: "invalid_command",
        detail: format!("{field}: {fault}"),
    }
}
