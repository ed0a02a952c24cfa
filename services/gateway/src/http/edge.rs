//! One layer around every request: admission, span, panics, errors, headers and measurement.
//!
//! It is one layer and not six, since each would box a future and clone a service per request.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CACHE_CONTROL, CONNECTION, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tracing::{Instrument, Span, field};
use uuid::Uuid;

use super::gate::pass;
use super::problem::{Problem, Rendering};
use super::router::{Gateway, Shared};
use crate::metrics::{Counted, Metrics};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// A caller's own id is no longer than this.
const REQUEST_ID_LEN_MAX: usize = 128;
/// W3C Trace Context, level 2: which trace a request became a part of.
const TRACE_RESPONSE: HeaderName = HeaderName::from_static("traceresponse");
/// When a shed caller may come back.
const RETRY_AFTER_OVERLOAD: Duration = Duration::from_secs(1);
/// The route of a request that has none.
const NO_ROUTE: &str = "none";

/// The permit of a running request.
#[derive(Debug, Clone)]
pub(super) struct Admission(Arc<Mutex<Option<OwnedSemaphorePermit>>>);

impl Admission {
    /// The request no longer counts as running.
    pub(super) fn give_back(&self) {
        let mut permit = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(permit.take());
    }
}

/// What is known of a request from the start.
#[derive(Debug, Clone)]
pub(super) struct Arrival {
    /// By which it is found in logs and traces.
    pub(super) trace_id: Arc<str>,
    /// When it came.
    pub(super) at: Instant,
}

/// The layer.
pub(super) async fn edge(State(gateway): State<Shared>, request: Request, next: Next) -> Response {
    let seen = Seen::of(&gateway.metrics, &request);
    let span = seen.span.clone();
    async move {
        let given_id = request
            .headers()
            .get(REQUEST_ID)
            .filter(|id| is_id(id))
            .cloned();
        let trace = Trace::current();
        let mut request = request;
        request.extensions_mut().insert(Arrival {
            trace_id: trace.id.as_str().into(),
            at: seen.started,
        });
        let answer = answer(&gateway, request, next).await;
        let mut answer = seen.render(answer, &trace.id);
        dress(answer.headers_mut(), given_id, &trace);
        if gateway.shutdown.is_cancelled() {
            answer
                .headers_mut()
                .insert(CONNECTION, HeaderValue::from_static("close"));
        }
        seen.finish(answer)
    }
    .instrument(span)
    .await
}

/// What the handler answers; a panic is an answer too.
async fn answer(gateway: &Gateway, mut request: Request, next: Next) -> Response {
    let Ok(permit) = Arc::clone(&gateway.running).try_acquire_owned() else {
        gateway.metrics.shed();
        return overloaded();
    };
    let admission = Admission(Arc::new(Mutex::new(Some(permit))));
    request.extensions_mut().insert(admission);
    let answer = AssertUnwindSafe(pass(gateway, request, next))
        .catch_unwind()
        .await;
    // The panic hook has logged what and where.
    answer.unwrap_or_else(|_panic| internal())
}

fn overloaded() -> Response {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "OVERLOADED",
        "too many requests are running; try again later",
    )
    .retry_after(RETRY_AFTER_OVERLOAD)
    .into_response()
}

fn internal() -> Response {
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "INTERNAL",
        "internal error",
    )
    .into_response()
}

/// Visible characters of ASCII, so that it can stand in a log line.
fn is_id(id: &HeaderValue) -> bool {
    let id = id.as_bytes();
    !id.is_empty() && id.len() <= REQUEST_ID_LEN_MAX && id.iter().all(u8::is_ascii_graphic)
}

/// The headers of every answer.
fn dress(headers: &mut HeaderMap, given_id: Option<HeaderValue>, trace: &Trace) {
    let id = given_id.or_else(|| HeaderValue::try_from(trace.id.as_str()).ok());
    if let Some(id) = id {
        headers.insert(REQUEST_ID, id);
    }
    if let Some(Ok(parent)) = trace.parent.as_deref().map(HeaderValue::try_from) {
        headers.insert(TRACE_RESPONSE, parent);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
}

/// The trace of the current span; an id of its own when nothing traces.
struct Trace {
    id: String,
    parent: Option<String>,
}

impl Trace {
    fn current() -> Self {
        let parent = tradepost_telemetry::current_traceparent();
        // `00-` + 32 digits + `-` + …
        let id = parent.as_deref().and_then(|parent| parent.get(3..35));
        let id = id.map_or_else(|| Uuid::now_v7().simple().to_string(), str::to_owned);
        Self { id, parent }
    }
}

/// A request as it came, and its measurement: one whose client leaves before the answer counts as
/// 499.
struct Seen {
    metrics: Metrics,
    route: Option<MatchedPath>,
    method: Method,
    uri: Uri,
    started: Instant,
    status: u16,
    span: Span,
    _running: Counted,
}

impl Seen {
    fn of(metrics: &Metrics, request: &Request) -> Self {
        let route = request.extensions().get::<MatchedPath>().cloned();
        let method = request.method().clone();
        let template = route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
        let span = tracing::info_span!(
            "http",
            otel.name = template,
            otel.kind = "server",
            http.request.method = name(&method),
            http.route = template,
            http.response.status_code = field::Empty,
        );
        let traceparent = request.headers().get(tradepost_telemetry::TRACEPARENT);
        if let Some(Ok(traceparent)) = traceparent.map(HeaderValue::to_str) {
            tradepost_telemetry::set_parent(&span, traceparent);
        }
        Self {
            metrics: metrics.clone(),
            route,
            method,
            uri: request.uri().clone(),
            started: Instant::now(),
            status: 499,
            span,
            _running: metrics.running(),
        }
    }

    fn route(&self) -> &str {
        self.route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str)
    }

    /// Gives every error the same form, also those of the router.
    fn render(&self, mut answer: Response, trace_id: &str) -> Response {
        let status = answer.status();
        let problem = answer.extensions_mut().remove::<Problem>();
        let problem = match problem {
            Some(problem) => problem,
            None if status.is_client_error() || status.is_server_error() => {
                Problem::of_status(status)
            }
            None => return answer,
        };
        let rendering = Rendering {
            trace_id,
            path: self.uri.path(),
            route: self.route(),
            has_body: self.method != Method::GET && self.method != Method::HEAD,
        };
        problem.render(answer.headers(), &rendering)
    }

    fn finish(mut self, answer: Response) -> Response {
        self.status = answer.status().as_u16();
        answer
    }
}

impl Drop for Seen {
    fn drop(&mut self) {
        let duration = self.started.elapsed();
        self.span.record("http.response.status_code", self.status);
        self.metrics
            .answered(self.route(), name(&self.method), self.status, duration);
        tracing::debug!(
            parent: &self.span,
            event = "http.answered",
            http.duration_seconds = duration.as_secs_f64(),
            "a request was answered"
        );
    }
}

/// The name of a method; there are endlessly many others.
fn name(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "OTHER",
    }
}

#[cfg(test)]
mod tests;
