//! Which pages may call the API from a browser (CORS).
//!
//! Outside of everything else: a preflight is answered before anybody is asked who they are, and
//! every answer, errors too, can be read by the page that asked. So a preflight lets in the pages of
//! every tenant; whose page it may be is found out once it is known who calls. Callers show tokens,
//! never cookies, so credentials are never allowed.

use axum::body::Body;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN,
    VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use url::{Origin, Url};

use super::problem::Problem;
use super::router::Gateway;
use crate::domain::caller::Caller;
use crate::ports::Unavailable;

/// The reason of a page that may not call.
pub(super) const NOT_ALLOWED: &str = "ORIGIN_NOT_ALLOWED";
/// How long a browser remembers a preflight, in seconds.
const PREFLIGHT_SECONDS: HeaderValue = HeaderValue::from_static("600");
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
/// What a page may send.
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static(
    "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, Prefer, Traceparent, X-Api-Key, \
     X-Request-Id",
);
/// What a page may read, besides the few that it always may.
const ANSWER_HEADERS: HeaderValue = HeaderValue::from_static(
    "Allow, Idempotent-Replayed, Location, Preference-Applied, RateLimit, RateLimit-Policy, \
     Retry-After, Traceresponse, WWW-Authenticate, X-Request-Id",
);
const BY_ORIGIN: HeaderValue = HeaderValue::from_static("Origin");
const BY_WISH: HeaderValue = HeaderValue::from_static(
    "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
);

/// The origins whose pages may call the API.
pub trait Origins: Send + Sync {
    /// Whether any tenant, or the platform, allows `origin`: what a preflight goes by, which says
    /// nothing of its tenant. Compares byte by byte.
    fn allows(&self, origin: &str) -> bool;

    /// Whether the platform does: its pages may call for every tenant.
    fn allows_for_all(&self, origin: &str) -> bool;
}

/// The platform's own origins, of the configuration.
impl Origins for Vec<String> {
    fn allows(&self, origin: &str) -> bool {
        self.iter().any(|allowed| allowed == origin)
    }

    fn allows_for_all(&self, origin: &str) -> bool {
        self.allows(origin)
    }
}

/// Whether pages of this origin may call for the caller: the platform's may, and those of their
/// tenant.
pub(super) async fn may_call_for(
    caller: &Caller,
    origin: &str,
    gateway: &Gateway,
) -> Result<bool, Unavailable> {
    if gateway.origins.allows_for_all(origin) {
        return Ok(true);
    }
    match caller.tenant {
        Some(tenant) => gateway.guards.directory.allows_origin(tenant, origin).await,
        None => Ok(false),
    }
}

/// The page of another tenant: a preflight has let it in.
pub(super) fn foreign_page() -> Problem {
    let detail = "pages of this origin may not call for you";
    Problem::new(StatusCode::FORBIDDEN, NOT_ALLOWED, detail)
}

/// What is wrong with the text of an origin, if anything: it must be written as a browser does.
#[must_use]
pub fn origin_fault(text: &str) -> Option<&'static str> {
    let is_exact = Url::parse(text).is_ok_and(|url| {
        let origin = url.origin();
        matches!(origin, Origin::Tuple(..))
            && matches!(url.scheme(), "http" | "https")
            && origin.ascii_serialization() == text
            && !text.contains('*')
    });
    (!is_exact).then_some("must be an origin as browsers write it, e.g. https://shop.example")
}

/// What a request says of the page it comes from.
#[derive(Debug)]
pub(super) struct Page {
    /// The page's origin, if it is allowed.
    allowed: Option<HeaderValue>,
    /// The preflight's answer, if the request is one.
    is_preflight: bool,
}

impl Page {
    pub(super) fn of(method: &Method, headers: &HeaderMap, origins: &dyn Origins) -> Self {
        let origin = headers.get(ORIGIN);
        let is_allowed =
            |origin: &&HeaderValue| origin.to_str().is_ok_and(|origin| origins.allows(origin));
        Self {
            allowed: origin.filter(is_allowed).cloned(),
            is_preflight: origin.is_some()
                && method == Method::OPTIONS
                && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD),
        }
    }

    /// The answer to a preflight; `None` when the request is none.
    pub(super) fn preflight(&self) -> Option<Response> {
        if !self.is_preflight {
            return None;
        }
        if self.allowed.is_none() {
            let detail = "pages of this origin may not call the API";
            let problem = Problem::new(StatusCode::FORBIDDEN, NOT_ALLOWED, detail);
            return Some(problem.into_response());
        }
        let mut answer = Response::new(Body::empty());
        *answer.status_mut() = StatusCode::NO_CONTENT;
        let headers = answer.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
        headers.insert(ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS);
        Some(answer)
    }

    /// A page that is told it may not call is told no more than that.
    pub(super) fn shut_out(&mut self, answer: &Response) {
        let problem = answer.extensions().get::<Problem>();
        if problem.is_some_and(|problem| problem.reason == NOT_ALLOWED) {
            self.allowed = None;
        }
    }

    /// Lets the page read the answer, and keeps caches from giving it to another page.
    pub(super) fn dress(self, headers: &mut HeaderMap) {
        if self.is_preflight {
            headers.append(VARY, BY_WISH);
        } else {
            headers.append(VARY, BY_ORIGIN);
        }
        if let Some(origin) = self.allowed {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            if !self.is_preflight {
                headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, ANSWER_HEADERS);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_exact_or_none() {
        for good in [
            "https://shop.example",
            "http://localhost:3000",
            "https://shop.example:8443",
            "http://[::1]:3000",
        ] {
            assert_eq!(origin_fault(good), None, "{good}");
        }
        for bad in [
            "*",
            "",
            "null",
            "shop.example",
            "https://shop.example/",
            "https://shop.example:443",
            "https://Shop.example",
            "https://*.shop.example",
            "https://shop.example/a",
            "https://user@shop.example",
            "file://x",
            "ftp://shop.example",
        ] {
            assert!(origin_fault(bad).is_some(), "{bad}");
        }
    }
}
