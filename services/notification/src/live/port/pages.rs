//! Pages of a browser that hear events (CORS). A WebSocket needs none of this.
//!
//! A preflight shows no credentials, so it is not known yet whose page asks: every page may ask, and
//! whether it may hear is the gateway's to say, which is told the page's origin with the credentials.

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    CONNECTION, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};

use super::refusal::Refusal;
use super::{Answer, EVENTS, full};

/// The gateway's reason for a page that may not call.
const NOT_ALLOWED: &str = "ORIGIN_NOT_ALLOWED";
/// How long a browser remembers a preflight, in seconds: as at the gateway.
const PREFLIGHT_SECONDS: HeaderValue = HeaderValue::from_static("600");
const METHODS: HeaderValue = HeaderValue::from_static("GET");
const REQUEST_HEADERS: HeaderValue =
    HeaderValue::from_static("Authorization, Last-Event-ID, X-Api-Key");
/// What a page may read, besides the few that it always may.
const ANSWER_HEADERS: HeaderValue = HeaderValue::from_static("Retry-After");

/// The page that asks, if it is one and asks for events.
pub(super) struct Page {
    is_event: bool,
    origin: Option<HeaderValue>,
}

impl Page {
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        let is_event = request.uri().path() == EVENTS;
        let origin = request.headers().get(ORIGIN);
        Self {
            is_event,
            origin: origin.filter(|_| is_event).cloned(),
        }
    }

    /// A page that is told it may not call is told no more than that.
    pub(super) fn refused(&mut self, refusal: &Refusal) {
        if refusal.reason() == NOT_ALLOWED {
            self.origin = None;
        }
    }

    /// Lets the page read the answer, and keeps caches from giving it to another page.
    pub(super) fn dress(self, headers: &mut HeaderMap) {
        if self.is_event {
            headers.append(VARY, HeaderValue::from_static("Origin"));
        }
        if let Some(origin) = self.origin {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, ANSWER_HEADERS);
        }
    }
}

pub(super) fn is_preflight<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    request.method() == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

pub(super) fn preflight() -> Answer {
    let mut answer = Response::new(full(Bytes::new()));
    *answer.status_mut() = StatusCode::NO_CONTENT;
    let headers = answer.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
    headers.insert(ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS);
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}
