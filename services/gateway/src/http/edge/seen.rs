//! A request as it came: its trace, its measurement, and the form of its errors.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderValue, Method, Uri};
use axum::response::Response;
use tokio::time::Instant;
use tracing::{Span, field};
use uuid::Uuid;

use super::super::oauth::OwnForm;
use super::super::problem::{Problem, Rendering};
use super::super::router::Shared;
use crate::metrics::Counted;

/// The route of a request that has none.
const NO_ROUTE: &str = "none";

/// The trace of the current span; an id of its own when nothing traces.
pub(super) struct Trace {
    pub(super) id: String,
    pub(super) parent: Option<String>,
}

impl Trace {
    pub(super) fn current() -> Self {
        let parent = tradepost_telemetry::current_traceparent();
        // `00-` + 32 digits + `-` + …
        let id = parent.as_deref().and_then(|parent| parent.get(3..35));
        let id = id.map_or_else(|| Uuid::now_v7().simple().to_string(), str::to_owned);
        Self { id, parent }
    }
}

/// A request as it came, and its measurement: one whose client leaves before the answer counts as
/// 499.
pub(super) struct Seen {
    gateway: Shared,
    route: Option<MatchedPath>,
    method: Method,
    uri: Uri,
    pub(super) started: Instant,
    status: u16,
    pub(super) span: Span,
    _running: Counted,
}

impl Seen {
    pub(super) fn of(gateway: &Shared, request: &Request) -> Self {
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
            gateway: Arc::clone(gateway),
            route,
            method,
            uri: request.uri().clone(),
            started: Instant::now(),
            status: 499,
            span,
            _running: gateway.metrics.running(),
        }
    }

    pub(super) fn route(&self) -> &str {
        self.route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str)
    }

    /// Gives every error the same form, also those of the router.
    pub(super) fn render(&self, mut answer: Response, trace_id: &str) -> Response {
        let status = answer.status();
        let problem = answer.extensions_mut().remove::<Problem>();
        let problem = match problem {
            Some(problem) => problem,
            None if answer.extensions().get::<OwnForm>().is_some() => return answer,
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

    pub(super) fn finish(mut self, answer: Response) -> Response {
        self.status = answer.status().as_u16();
        answer
    }
}

impl Drop for Seen {
    fn drop(&mut self) {
        let duration = self.started.elapsed();
        self.span.record("http.response.status_code", self.status);
        self.gateway
            .metrics
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
