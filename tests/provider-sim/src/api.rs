//! Stripe's endpoints: which request is which operation, and what it asks of the bank.

use axum::http::Method;

use crate::bank::{Command, Confirmation, NewIntent, NewRefund};
use crate::card::Card;
use crate::error::ApiError;
use crate::form::Params;
use crate::journal::Op;
use crate::model::CaptureMethod;

pub(crate) mod read;

/// Stripe's greatest amount: eight digits.
const AMOUNT_MAX: i64 = 99_999_999;

/// One endpoint, with the id in its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Endpoint {
    CreateIntent,
    GetIntent(String),
    SearchIntents,
    ConfirmIntent(String),
    CaptureIntent(String),
    CancelIntent(String),
    CreateRefund,
    GetRefund(String),
    ListRefunds,
}

impl Endpoint {
    pub(crate) fn find(method: &Method, path: &str) -> Option<Self> {
        let segments: Vec<&str> = path.strip_prefix("/v1/")?.split('/').collect();
        let post = match *method {
            Method::POST => true,
            Method::GET => false,
            _ => return None,
        };
        Some(match (post, segments.as_slice()) {
            (true, ["payment_intents"]) => Self::CreateIntent,
            (false, ["payment_intents", "search"]) => Self::SearchIntents,
            (false, ["payment_intents", id]) => Self::GetIntent((*id).to_owned()),
            (true, ["payment_intents", id, "confirm"]) => Self::ConfirmIntent((*id).to_owned()),
            (true, ["payment_intents", id, "capture"]) => Self::CaptureIntent((*id).to_owned()),
            (true, ["payment_intents", id, "cancel"]) => Self::CancelIntent((*id).to_owned()),
            (true, ["refunds"]) => Self::CreateRefund,
            (false, ["refunds"]) => Self::ListRefunds,
            (false, ["refunds", id]) => Self::GetRefund((*id).to_owned()),
            _ => return None,
        })
    }

    pub(crate) fn op(&self) -> Op {
        match self {
            Self::CreateIntent => Op::Create,
            Self::ConfirmIntent(_) => Op::Confirm,
            Self::CaptureIntent(_) => Op::Capture,
            Self::CancelIntent(_) => Op::Cancel,
            Self::CreateRefund => Op::Refund,
            Self::SearchIntents => Op::Search,
            Self::GetIntent(_) | Self::GetRefund(_) | Self::ListRefunds => Op::Get,
        }
    }

    /// The intent that the request names in its path or parameters.
    pub(crate) fn intent_id<'a>(&'a self, params: &'a Params) -> Option<&'a str> {
        match self {
            Self::GetIntent(id)
            | Self::ConfirmIntent(id)
            | Self::CaptureIntent(id)
            | Self::CancelIntent(id) => Some(id),
            Self::CreateRefund | Self::ListRefunds => params.text("payment_intent"),
            Self::GetRefund(_) | Self::CreateIntent | Self::SearchIntents => None,
        }
    }

    /// What a writing request asks for; `None` when it only reads.
    pub(crate) fn command(self, params: &Params) -> Result<Option<Command>, ApiError> {
        Ok(Some(match self {
            Self::CreateIntent => Command::Create(Box::new(new_intent(params)?)),
            Self::ConfirmIntent(id) => {
                params.refuse_unknown(&[
                    "payment_method",
                    "off_session",
                    "return_url",
                    "expand",
                    "client_secret",
                ])?;
                Command::Confirm {
                    id,
                    confirmation: confirmation(params)?,
                }
            }
            Self::CaptureIntent(id) => {
                params.refuse_unknown(&["amount_to_capture", "metadata", "expand"])?;
                Command::Capture {
                    id,
                    amount: params.positive("amount_to_capture")?,
                }
            }
            Self::CancelIntent(id) => {
                params.refuse_unknown(&["cancellation_reason", "expand"])?;
                Command::Cancel {
                    id,
                    reason: cancellation_reason(params)?,
                }
            }
            Self::CreateRefund => Command::Refund(Box::new(new_refund(params)?)),
            Self::GetIntent(_) | Self::SearchIntents | Self::GetRefund(_) | Self::ListRefunds => {
                return Ok(None);
            }
        }))
    }
}

fn new_intent(params: &Params) -> Result<NewIntent, ApiError> {
    params.refuse_unknown(&[
        "amount",
        "currency",
        "capture_method",
        "confirm",
        "confirmation_method",
        "payment_method",
        "payment_method_types",
        "automatic_payment_methods",
        "off_session",
        "return_url",
        "description",
        "statement_descriptor",
        "statement_descriptor_suffix",
        "metadata",
        "expand",
    ])?;
    params.required("amount")?;
    let amount = params.positive("amount")?.unwrap_or_default();
    if amount > AMOUNT_MAX {
        let error = ApiError::invalid("Amount must be no more than 999,999.99");
        return Err(error.code("amount_too_large").param("amount"));
    }
    let capture_method = match params.text("capture_method") {
        None | Some("automatic_async") => CaptureMethod::AutomaticAsync,
        Some("automatic") => CaptureMethod::Automatic,
        Some("manual") => CaptureMethod::Manual,
        Some(other) => {
            let message = format!(
                "Invalid capture_method: must be one of automatic, automatic_async, or manual, \
                 not {other}"
            );
            return Err(ApiError::invalid(message).param("capture_method"));
        }
    };
    Ok(NewIntent {
        amount,
        currency: currency(params)?,
        capture_method,
        confirm: params.flag("confirm")?,
        confirmation: confirmation(params)?,
        description: params.text("description").map(str::to_owned),
        metadata: params.metadata()?,
    })
}

/// Three letters, lower case as Stripe documents it; upper case points at a mistake in the client.
fn currency(params: &Params) -> Result<String, ApiError> {
    let text = params.required("currency")?;
    if text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return Ok(text.to_owned());
    }
    Err(ApiError::invalid(format!("Invalid currency: {text}")).param("currency"))
}

fn confirmation(params: &Params) -> Result<Confirmation, ApiError> {
    let method = params.text("payment_method");
    if let Some(token) = method.filter(|token| Card::find(token).is_none()) {
        let error = ApiError::missing(400, "PaymentMethod", token, "payment_method");
        return Err(error);
    }
    Ok(Confirmation {
        method: method.map(str::to_owned),
        off_session: params.flag("off_session")?,
    })
}

fn cancellation_reason(params: &Params) -> Result<Option<String>, ApiError> {
    const KNOWN: [&str; 4] = [
        "duplicate",
        "fraudulent",
        "requested_by_customer",
        "abandoned",
    ];
    match params.text("cancellation_reason") {
        Some(reason) if !KNOWN.contains(&reason) => {
            let message = format!("Invalid cancellation_reason: must be one of {KNOWN:?}");
            Err(ApiError::invalid(message).param("cancellation_reason"))
        }
        reason => Ok(reason.map(str::to_owned)),
    }
}

fn new_refund(params: &Params) -> Result<NewRefund, ApiError> {
    const REASONS: [&str; 3] = ["duplicate", "fraudulent", "requested_by_customer"];
    params.refuse_unknown(&["payment_intent", "amount", "reason", "metadata", "expand"])?;
    let reason = params.text("reason");
    if reason.is_some_and(|reason| !REASONS.contains(&reason)) {
        let message = format!("Invalid reason: must be one of {REASONS:?}");
        return Err(ApiError::invalid(message).param("reason"));
    }
    Ok(NewRefund {
        intent_id: params.required("payment_intent")?.to_owned(),
        amount: params.positive("amount")?,
        reason: reason.map(str::to_owned),
        metadata: params.metadata()?,
    })
}
