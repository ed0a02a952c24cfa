//! One request, ready to be sent as often as it takes.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, Method, header};

use super::ANSWER_WITHIN;

/// The header of the caller's key.
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const PREFER: HeaderName = HeaderName::from_static("prefer");

/// Whether a call waits for the order's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Answer as soon as the order is accepted.
    No,
    /// Answer when the order is confirmed or cannot be, at the latest after so many seconds.
    Seconds(u8),
}

/// One request.
#[derive(Debug, Clone)]
pub struct Call {
    method: Method,
    path: String,
    key: Option<String>,
    wait: Wait,
    body: Bytes,
}

impl Call {
    /// Reads.
    pub fn get(path: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            key: None,
            wait: Wait::No,
            body: Bytes::new(),
        }
    }

    /// Posts under a key.
    pub fn post(path: impl Into<String>, key: &str, body: Bytes) -> Self {
        Self::change(Method::POST, path.into(), key, body)
    }

    /// Puts under a key.
    pub fn put(path: impl Into<String>, key: &str, body: Bytes) -> Self {
        Self::change(Method::PUT, path.into(), key, body)
    }

    fn change(method: Method, path: String, key: &str, body: Bytes) -> Self {
        Self {
            method,
            path,
            key: Some(key.to_owned()),
            wait: Wait::No,
            body,
        }
    }

    /// The same call, waiting.
    #[must_use]
    pub fn waiting(mut self, wait: Wait) -> Self {
        self.wait = wait;
        self
    }

    /// How long one try may take.
    pub(super) fn within(&self) -> Duration {
        match self.wait {
            Wait::No => ANSWER_WITHIN,
            Wait::Seconds(seconds) => ANSWER_WITHIN + Duration::from_secs(seconds.into()),
        }
    }

    /// The request to send to `base`.
    pub(super) fn request(
        &self,
        base: &str,
    ) -> Result<http::Request<http_body_util::Full<Bytes>>, http::Error> {
        let mut request = http::Request::builder()
            .method(self.method.clone())
            .uri(format!("{base}{}", self.path));
        if let Some(key) = &self.key {
            request = request
                .header(IDEMPOTENCY_KEY, key)
                .header(header::CONTENT_TYPE, "application/json");
        }
        if let Wait::Seconds(seconds) = self.wait {
            request = request.header(PREFER, format!("wait={seconds}"));
        }
        request.body(http_body_util::Full::new(self.body.clone()))
    }
}
