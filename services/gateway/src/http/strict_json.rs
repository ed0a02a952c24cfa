//! JSON bodies, taken exactly or not at all.
//!
//! A field that is unknown, misspelt or said twice, a number that had to be rounded, bytes after
//! the end: each would be a wish that is silently not granted, so each is an error. A body is read
//! in two steps: `tree` reads it as JSON, `typed` makes the value of it.

mod tree;
mod typed;

use axum::extract::{FromRequest, OptionalFromRequest, Request};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::body;
use super::fault::Fault;
use super::problem::Problem;
use super::query;
use super::router::Shared;

/// The largest JSON body: an order has up to 2,000 lines.
pub(super) const BYTES_MAX: usize = 2 * 1024 * 1024;

/// The JSON body of a request. A request with one has no query.
pub(super) struct StrictJson<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Shared> for StrictJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, gateway: &Shared) -> Result<Self, Problem> {
        query::refuse(request.uri())?;
        check_headers(request.headers())?;
        let bytes = body::read(request, BYTES_MAX, gateway).await?;
        parse(&bytes).map(Self)
    }
}

impl<T: DeserializeOwned> OptionalFromRequest<Shared> for StrictJson<T> {
    type Rejection = Problem;

    /// `None` for an empty body, whatever type it claims to be of.
    async fn from_request(request: Request, gateway: &Shared) -> Result<Option<Self>, Problem> {
        query::refuse(request.uri())?;
        let checked = check_headers(request.headers());
        let bytes = body::read(request, BYTES_MAX, gateway).await?;
        if bytes.is_empty() {
            return Ok(None);
        }
        checked?;
        parse(&bytes).map(|value| Some(Self(value)))
    }
}

fn parse<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, Problem> {
    let json = tree::read(bytes).map_err(|fault| problem("INVALID_JSON", &fault))?;
    T::deserialize(json).map_err(|fault| problem("INVALID_FIELD", &fault))
}

fn problem(reason: &'static str, fault: &Fault) -> Problem {
    let detail = match fault.pointer() {
        pointer if pointer.is_empty() => format!("the body {}", fault.detail),
        pointer => format!("{pointer} {}", fault.detail),
    };
    Problem::new(StatusCode::BAD_REQUEST, reason, detail).pointer(fault.pointer(), &fault.detail)
}

/// `application/json`, in UTF-8 if it says so, and not compressed.
fn check_headers(headers: &HeaderMap) -> Result<(), Problem> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let only = match (types.next(), types.next()) {
        (Some(only), None) => only.to_str().unwrap_or_default(),
        _ => "",
    };
    let identity = headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if is_json(only) && identity {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "UNSUPPORTED_MEDIA_TYPE",
        "the body must be of Content-Type application/json, in UTF-8 and not compressed",
    ))
}

fn is_json(content_type: &str) -> bool {
    let mut parts = content_type.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    essence.eq_ignore_ascii_case("application/json")
        && parts.filter(|part| !part.is_empty()).all(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            name.eq_ignore_ascii_case("charset")
                && value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        })
}

#[cfg(test)]
mod tests;
