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
        parse(&read(request, gateway).await?).map(Self)
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

/// Reads a body that must be JSON.
pub(super) async fn read(request: Request, gateway: &Shared) -> Result<Bytes, Problem> {
    query::refuse(request.uri())?;
    check_headers(request.headers())?;
    body::read(request, BYTES_MAX, gateway).await
}

/// The value that a body is.
pub(super) fn parse<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, Problem> {
    Ok(Untyped::read(bytes, tree::VALUES_MAX)?.typed()?)
}

/// A value that was read as JSON and is not yet of any type, for what may be of several.
pub(super) struct Untyped(tree::Json);

/// Why a text is not the value that it should be.
#[derive(Debug)]
pub(super) enum Misread {
    /// It is no JSON, or more of it than is taken.
    Json(Fault),
    /// It is JSON of another form.
    Field(Fault),
}

impl From<Misread> for Problem {
    fn from(misread: Misread) -> Self {
        match misread {
            Misread::Json(fault) => problem("INVALID_JSON", &fault),
            Misread::Field(fault) => problem("INVALID_FIELD", &fault),
        }
    }
}

impl Untyped {
    /// Reads a text of at most so many values.
    pub(super) fn read(bytes: &[u8], values_max: usize) -> Result<Self, Misread> {
        let read = tree::read(bytes, values_max);
        read.map(Self).map_err(Misread::Json)
    }

    /// Whether it is an object with this field.
    pub(super) fn has(&self, field: &str) -> bool {
        self.0.field(field).is_some()
    }

    /// How many elements the array in this field of it has.
    pub(super) fn len_of(&self, field: &str) -> Option<usize> {
        self.0.field(field).and_then(tree::Json::len)
    }

    /// The value.
    pub(super) fn typed<T: DeserializeOwned>(self) -> Result<T, Misread> {
        T::deserialize(self.0).map_err(Misread::Field)
    }
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
    if is_of(headers, "application/json") {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "UNSUPPORTED_MEDIA_TYPE",
        "the body must be of Content-Type application/json, in UTF-8 and not compressed",
    ))
}

/// Whether a body is of this type: in UTF-8 if it says so, and not compressed.
pub(super) fn is_of(headers: &HeaderMap, essence: &str) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let only = match (types.next(), types.next()) {
        (Some(only), None) => only.to_str().unwrap_or_default(),
        _ => "",
    };
    let identity = headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    identity && is_type(only, essence)
}

fn is_type(content_type: &str, essence: &str) -> bool {
    let mut parts = content_type.split(';').map(str::trim);
    let given = parts.next().unwrap_or_default();
    given.eq_ignore_ascii_case(essence)
        && parts.filter(|part| !part.is_empty()).all(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            name.eq_ignore_ascii_case("charset")
                && value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        })
}

#[cfg(test)]
mod tests;
