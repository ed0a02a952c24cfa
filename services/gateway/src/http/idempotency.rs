//! The header `Idempotency-Key`: which repetitions are the same wish.

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderName, StatusCode};
use tradepost_service::request_id;
use utoipa::IntoParams;

use super::problem::Problem;
use super::router::Shared;

const NAME: &str = "Idempotency-Key";

/// Says that an earlier request with the key did what this one asked for.
pub(super) const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// The key of a mutating request.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(super) struct IdempotencyKey {
    /// Names the wish behind the request: a new one (best a UUID) for each new wish, the same one
    /// when a request is repeated. Printable ASCII.
    #[param(
        rename = "Idempotency-Key",
        min_length = 1,
        max_length = 255,
        example = "0190b8f4-3e1b-7c6d-9f00-8a5d5c1f0a11"
    )]
    pub(super) key: String,
}

impl OptionalFromRequestParts<Shared> for IdempotencyKey {
    type Rejection = Problem;

    /// `None` without the header, for requests that can name their wish in another way.
    async fn from_request_parts(
        parts: &mut Parts,
        shared: &Shared,
    ) -> Result<Option<Self>, Problem> {
        match parts.headers.contains_key(NAME) {
            true => {
                let key = <Self as FromRequestParts<Shared>>::from_request_parts(parts, shared);
                key.await.map(Some)
            }
            false => Ok(None),
        }
    }
}

impl FromRequestParts<Shared> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Problem> {
        let mut keys = parts.headers.get_all(NAME).iter();
        let (Some(key), None) = (keys.next(), keys.next()) else {
            return match parts.headers.contains_key(NAME) {
                true => Err(invalid("must not be given twice")),
                false => Err(missing()),
            };
        };
        let Ok(key) = key.to_str() else {
            return Err(invalid("must consist of printable ASCII characters"));
        };
        match request_id::fault(key) {
            None => Ok(Self {
                key: key.to_owned(),
            }),
            Some(_) if key.is_empty() => Err(missing()),
            Some(fault) => Err(invalid(fault)),
        }
    }
}

pub(super) fn missing() -> Problem {
    let wanted = "is required: send a new UUID with each new wish, and the same one when repeating";
    problem("IDEMPOTENCY_KEY_MISSING", wanted)
}

pub(super) fn invalid(fault: &str) -> Problem {
    problem("IDEMPOTENCY_KEY_INVALID", fault)
}

fn problem(reason: &'static str, fault: &str) -> Problem {
    let detail = format!("the header {NAME} {fault}");
    Problem::new(StatusCode::BAD_REQUEST, reason, detail).header(NAME, fault)
}
