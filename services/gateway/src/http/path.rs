//! The ids and SKUs in a path, percent-decoded.

use axum::extract::{FromRequestParts, Path};
use axum::http::StatusCode;
use axum::http::request::Parts;

use super::problem::Problem;
use super::router::Shared;

/// The only parameter of a route.
pub(super) struct Named(pub(super) String);

impl FromRequestParts<Shared> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Problem> {
        match Path::<String>::from_request_parts(parts, shared).await {
            Ok(Path(name)) => Ok(Self(name)),
            Err(_malformed) => Err(malformed()),
        }
    }
}

/// The two parameters of a route: a thing, and a part of it.
pub(super) struct NamedWithin(pub(super) String, pub(super) String);

impl FromRequestParts<Shared> for NamedWithin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Problem> {
        match Path::<(String, String)>::from_request_parts(parts, shared).await {
            Ok(Path((name, part))) => Ok(Self(name, part)),
            Err(_malformed) => Err(malformed()),
        }
    }
}

fn malformed() -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "INVALID_PATH",
        "the path is not percent-encoded UTF-8",
    )
}
