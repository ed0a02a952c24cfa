//! An answer with Stripe's headers.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::Value;

use crate::error::ApiError;
use crate::render;

#[derive(Debug)]
pub(super) struct Reply {
    status: u16,
    body: String,
    replayed: bool,
    retry_after_seconds: Option<u64>,
}

impl Reply {
    pub(super) fn new(status: u16, body: &Value) -> Self {
        Self {
            status,
            body: body.to_string(),
            replayed: false,
            retry_after_seconds: None,
        }
    }

    pub(super) fn ok(body: &Value) -> Self {
        Self::new(200, body)
    }

    pub(super) fn error(error: &ApiError) -> Self {
        Self::new(error.status, &render::error(error, None))
    }

    pub(super) fn internal() -> Self {
        Self::error(&ApiError::internal(500))
    }

    pub(super) fn replayed(mut self) -> Self {
        self.replayed = true;
        self
    }

    pub(super) fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    pub(super) fn into_response(self, key: Option<&HeaderValue>) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        if let Some(key) = key {
            headers.insert("idempotency-key", key.clone());
        }
        if self.replayed {
            headers.insert("idempotent-replayed", HeaderValue::from_static("true"));
        }
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
