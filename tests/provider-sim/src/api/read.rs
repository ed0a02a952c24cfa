//! The requests that change nothing.

use serde_json::Value;

use super::Endpoint;
use crate::bank::{Bank, Query};
use crate::error::ApiError;
use crate::form::Params;
use crate::model::{Intent, Refund};
use crate::render::{self, Expand};

const PAGE_DEFAULT: i64 = 10;
const PAGE_MAX: i64 = 100;

/// Answers a read from the present state.
pub(crate) fn answer(endpoint: &Endpoint, bank: &Bank, params: &Params) -> Result<Value, ApiError> {
    match endpoint {
        Endpoint::GetIntent(id) => match bank.intent(id) {
            Some(intent) => Ok(render::intent(intent, expand(params))),
            None => Err(ApiError::missing(404, "payment_intent", id, "intent")),
        },
        Endpoint::GetRefund(id) => match bank.refund(id) {
            Some(refund) => Ok(render::refund(refund)),
            None => Err(ApiError::missing(404, "refund", id, "refund")),
        },
        Endpoint::SearchIntents => search(bank, params),
        Endpoint::ListRefunds => list_refunds(bank, params),
        Endpoint::CreateIntent
        | Endpoint::ConfirmIntent(_)
        | Endpoint::CaptureIntent(_)
        | Endpoint::CancelIntent(_)
        | Endpoint::CreateRefund => Ok(Value::Null),
    }
}

pub(crate) fn expand(params: &Params) -> Expand {
    if params.expands("latest_charge") {
        Expand::LatestCharge
    } else {
        Expand::Nothing
    }
}

/// What a lagging index answers.
pub(crate) fn empty_search() -> Value {
    render::search_result(Vec::new(), None)
}

fn search(bank: &Bank, params: &Params) -> Result<Value, ApiError> {
    params.refuse_unknown(&["query", "limit", "page", "expand"])?;
    let query = Query::parse(params.required("query")?)?;
    let limit = limit(params)?;
    let start: usize = match params.text("page") {
        None => 0,
        Some(page) => page
            .parse()
            .ok()
            .ok_or_else(|| ApiError::invalid(format!("Invalid page: {page}")).param("page"))?,
    };
    let found: Vec<&Intent> = bank.search(&query);
    let end = start.saturating_add(limit);
    let page = found
        .iter()
        .skip(start)
        .take(limit)
        .map(|i| render::intent(i, Expand::Nothing));
    let next = (end < found.len()).then(|| end.to_string());
    Ok(render::search_result(page.collect(), next))
}

fn list_refunds(bank: &Bank, params: &Params) -> Result<Value, ApiError> {
    params.refuse_unknown(&["payment_intent", "limit", "starting_after", "expand"])?;
    let id = params.required("payment_intent")?;
    if bank.intent(id).is_none() {
        return Err(ApiError::missing(
            400,
            "payment_intent",
            id,
            "payment_intent",
        ));
    }
    let limit = limit(params)?;
    let all: Vec<&Refund> = bank.refunds(id).collect();
    let start = match params.text("starting_after") {
        None => 0,
        Some(after) => all
            .iter()
            .position(|refund| refund.id == after)
            .map(|index| index.saturating_add(1))
            .ok_or_else(|| ApiError::missing(400, "refund", after, "starting_after"))?,
    };
    let has_more = start.saturating_add(limit) < all.len();
    let page = all.into_iter().skip(start).take(limit).map(render::refund);
    Ok(render::list("/v1/refunds", page.collect(), has_more))
}

fn limit(params: &Params) -> Result<usize, ApiError> {
    let limit = params.positive("limit")?.unwrap_or(PAGE_DEFAULT);
    if limit > PAGE_MAX {
        let message = format!("This value must be less than or equal to {PAGE_MAX}.");
        return Err(ApiError::invalid(message)
            .code("parameter_invalid_integer")
            .param("limit"));
    }
    let limit = usize::try_from(limit).ok();
    limit.ok_or_else(|| ApiError::invalid("Invalid integer").param("limit"))
}
