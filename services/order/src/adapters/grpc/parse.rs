//! Small pieces of requests.

use prost::Message;
use tonic::Status;
use tradepost_proto::order::v1 as pb;
use tradepost_service::error::Violations;
use tradepost_service::request_id::fingerprint;
use tradepost_types::{OrderId, TenantId};

use super::DOMAIN;
use crate::domain::Input;
use crate::ports::{RequestKey, Wish};

/// The longest note or reason.
const TEXT_MAX: usize = 200;

/// Parses an order's id.
pub(super) fn order_id(text: &str) -> Result<OrderId, Status> {
    let mut violations = Violations::new();
    let id = violations.take("order_id", text.parse());
    match id {
        Some(id) => Ok(id),
        None => Err(violations.into_failure(DOMAIN).into()),
    }
}

/// Notes a text that is too short, too long, or cannot be printed.
pub(super) fn text(
    violations: &mut Violations,
    field: &str,
    text: &str,
    chars: std::ops::RangeInclusive<usize>,
) {
    let (min, max) = (*chars.start(), *chars.end());
    let count = text.chars().count();
    if !chars.contains(&count) {
        let wanted = match min {
            0 => format!("must have at most {max} characters"),
            min => format!("must have {min} to {max} characters"),
        };
        violations.add(field, wanted);
    } else if text.chars().any(char::is_control) {
        violations.add(field, "must not hold control characters");
    }
}

/// A mutating call about one order.
pub(super) struct Call<'a> {
    operation: &'static str,
    request_id: &'a str,
    order_id: &'a str,
    /// The field with the text of the caller, the text, and whether it may be missing.
    text: Option<(&'static str, &'a str, usize)>,
    fingerprint: [u8; 32],
}

impl<'a> Call<'a> {
    pub(super) fn cancel(request: &'a pb::CancelOrderRequest) -> Self {
        let body = pb::CancelOrderRequest {
            request_id: String::new(),
            ..request.clone()
        };
        Self {
            operation: "CancelOrder",
            request_id: &request.request_id,
            order_id: &request.order_id,
            text: Some(("note", &request.note, 0)),
            fingerprint: fingerprint(&body.encode_to_vec()),
        }
    }

    pub(super) fn retry(request: &'a pb::RetryStuckOrderRequest) -> Self {
        let body = pb::RetryStuckOrderRequest {
            request_id: String::new(),
            ..request.clone()
        };
        Self {
            operation: "RetryStuckOrder",
            request_id: &request.request_id,
            order_id: &request.order_id,
            text: None,
            fingerprint: fingerprint(&body.encode_to_vec()),
        }
    }

    pub(super) fn skip(request: &'a pb::SkipStuckStepRequest) -> Self {
        let body = pb::SkipStuckStepRequest {
            request_id: String::new(),
            ..request.clone()
        };
        Self {
            operation: "SkipStuckStep",
            request_id: &request.request_id,
            order_id: &request.order_id,
            text: Some(("reason", &request.reason, 1)),
            fingerprint: fingerprint(&body.encode_to_vec()),
        }
    }

    pub(super) fn abandon(request: &'a pb::AbandonStuckOrderRequest) -> Self {
        let body = pb::AbandonStuckOrderRequest {
            request_id: String::new(),
            ..request.clone()
        };
        Self {
            operation: "AbandonStuckOrder",
            request_id: &request.request_id,
            order_id: &request.order_id,
            text: Some(("reason", &request.reason, 1)),
            fingerprint: fingerprint(&body.encode_to_vec()),
        }
    }

    /// The wish behind the call.
    pub(super) fn wish(self, tenant: TenantId, input: Input) -> Result<Wish, Status> {
        let mut violations = Violations::new();
        violations.request_id(self.request_id);
        if let Some((field, given, min)) = self.text {
            text(&mut violations, field, given, min..=TEXT_MAX);
        }
        let order = violations.take("order_id", self.order_id.parse());
        match order {
            Some(order) if violations.is_empty() => Ok(Wish {
                tenant,
                order,
                operation: self.operation,
                key: RequestKey {
                    request_id: self.request_id.to_owned(),
                    fingerprint: self.fingerprint,
                },
                input,
            }),
            _ => Err(violations.into_failure(DOMAIN).into()),
        }
    }
}
