//! Errors as Stripe answers them. The mapping to a response is in `api`.

use serde::{Deserialize, Serialize};

use crate::card::Decline;

/// Stripe's `type` of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorType {
    /// Something is wrong on the provider's side.
    ApiError,
    /// The card said no.
    CardError,
    /// An idempotency key was used against its rules.
    IdempotencyError,
    /// The request cannot be carried out as it is.
    InvalidRequestError,
}

/// One error answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// Stripe's error type.
    #[serde(rename = "type")]
    pub kind: ErrorType,
    /// Stripe's error code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The issuer's reason, on declines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decline_code: Option<String>,
    /// A sentence for developers.
    pub message: String,
    /// The parameter at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub param: Option<String>,
}

impl ApiError {
    fn new(status: u16, kind: ErrorType, message: impl Into<String>) -> Self {
        Self {
            status,
            kind,
            code: None,
            decline_code: None,
            message: message.into(),
            param: None,
        }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, ErrorType::InvalidRequestError, message)
    }

    pub(crate) fn code(mut self, code: &str) -> Self {
        self.code = Some(code.to_owned());
        self
    }

    pub(crate) fn param(mut self, param: &str) -> Self {
        self.param = Some(param.to_owned());
        self
    }

    pub(crate) fn declined(decline: &Decline) -> Self {
        let mut error = Self::new(402, ErrorType::CardError, decline.message).code(decline.code);
        error.decline_code = decline.decline_code.map(str::to_owned);
        error
    }

    pub(crate) fn authentication_failed() -> Self {
        Self::new(
            402,
            ErrorType::CardError,
            "The provided PaymentMethod has failed authentication. You can provide \
             payment_method_data or a new PaymentMethod to attempt to fulfill this PaymentIntent \
             again.",
        )
        .code("payment_intent_authentication_failure")
    }

    /// An object named in the path (404) or in a parameter (400) does not exist.
    pub(crate) fn missing(status: u16, what: &str, id: &str, param: &str) -> Self {
        let message = format!("No such {what}: '{id}'");
        Self::new(status, ErrorType::InvalidRequestError, message)
            .code("resource_missing")
            .param(param)
    }

    pub(crate) fn unexpected_state(message: impl Into<String>) -> Self {
        Self::invalid(message).code("payment_intent_unexpected_state")
    }

    pub(crate) fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(401, ErrorType::InvalidRequestError, message)
    }

    pub(crate) fn unknown_url(method: &str, path: &str) -> Self {
        let message = format!("Unrecognized request URL ({method}: {path}).");
        Self::new(404, ErrorType::InvalidRequestError, message)
    }

    pub(crate) fn key_reused(key: &str) -> Self {
        let message = format!(
            "Keys for idempotent requests can only be used with the same parameters they were \
             first used with. Try using a key other than '{key}' if you meant to execute a \
             different request."
        );
        Self::new(400, ErrorType::IdempotencyError, message)
    }

    pub(crate) fn key_in_use(key: &str) -> Self {
        let message = format!(
            "There is currently another in-progress request using this Idempotent Key (that \
             probably means you submitted twice, and the other request is still going through): \
             {key}. Please try again later."
        );
        Self::new(409, ErrorType::IdempotencyError, message).code("idempotency_key_in_use")
    }

    pub(crate) fn rate_limited() -> Self {
        let message = "Request rate limit exceeded. Learn more about rate limits: back off.";
        Self::new(429, ErrorType::InvalidRequestError, message).code("rate_limit")
    }

    pub(crate) fn internal(status: u16) -> Self {
        let message = "An unexpected error occurred in the simulator.";
        Self::new(status, ErrorType::ApiError, message)
    }
}
