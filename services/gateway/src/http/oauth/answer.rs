//! OAuth's own errors (RFC 6749, section 5.2).

use std::time::Duration;

use axum::Json;
use axum::http::header::{CACHE_CONTROL, CONNECTION, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::application::OAuthFault;
use crate::domain::oauth::OAuthError;
use crate::http::problem::Problem;
use crate::http::tries::TooMany;

/// Marks an error answer that has the form it must have already.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct OwnForm;

/// An error of OAuth.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OAuthError)]
pub(super) struct OAuthErrorBody {
    /// For programs.
    #[schema(example = "invalid_grant")]
    error: &'static str,
    /// For developers.
    error_description: String,
}

/// A request that is refused.
#[derive(Debug)]
pub(super) struct Refused {
    fault: OAuthFault,
    /// Another status than the error's own: the body could not be read.
    status: Option<StatusCode>,
    /// When to come back.
    retry_after: Option<Duration>,
}

impl Refused {
    /// A parameter that is missing, malformed or given twice.
    pub(super) fn request(detail: impl Into<String>) -> Self {
        OAuthFault::new(OAuthError::InvalidRequest, detail).into()
    }
}

impl From<OAuthFault> for Refused {
    fn from(fault: OAuthFault) -> Self {
        Self {
            fault,
            status: None,
            retry_after: None,
        }
    }
}

impl From<OAuthError> for Refused {
    fn from(error: OAuthError) -> Self {
        OAuthFault::from(error).into()
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        let status = Some(problem.status);
        let fault = OAuthFault::new(OAuthError::InvalidRequest, problem.into_detail());
        Self {
            fault,
            status,
            retry_after: None,
        }
    }
}

impl From<TooMany> for Refused {
    fn from(too_many: TooMany) -> Self {
        let detail = "too many tries; see Retry-After";
        Self {
            fault: OAuthFault::new(OAuthError::TemporarilyUnavailable, detail),
            status: Some(StatusCode::TOO_MANY_REQUESTS),
            retry_after: Some(too_many.retry_after),
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let error = self.fault.error;
        let status = self.status.unwrap_or(match error {
            OAuthError::InvalidClient => StatusCode::UNAUTHORIZED,
            OAuthError::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            OAuthError::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
            OAuthError::InvalidRequest
            | OAuthError::InvalidGrant
            | OAuthError::UnauthorizedClient
            | OAuthError::UnsupportedGrantType
            | OAuthError::UnsupportedResponseType
            | OAuthError::InvalidScope => StatusCode::BAD_REQUEST,
        });
        let body = OAuthErrorBody {
            error: error.code(),
            error_description: self.fault.detail,
        };
        let mut answer = fresh((status, Json(body)));
        let headers = answer.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Basic realm=\"tradepost\"");
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if let Some(delay) = self.retry_after {
            // Never less than was said.
            let seconds = delay.as_secs().saturating_add(1);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        // The rest of such a body was not read.
        if matches!(
            status,
            StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT
        ) {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        answer.extensions_mut().insert(OwnForm);
        answer
    }
}

/// An answer that nobody keeps.
pub(super) fn fresh(answer: impl IntoResponse) -> Response {
    let mut answer = answer.into_response();
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    answer
}
