//! One layer around every call: guard, limit, span, deadline, detachment and measurement.
//!
//! It is one layer and not five, since each would box a future and clone a service per call.
//! Health and reflection pass it by: they must answer when the rest is overloaded, and say
//! nothing that is secret.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Request, Response};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinError;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::{Instrument, Span, field};
use tradepost_telemetry::{Registry, TRACEPARENT};

use super::metrics::{Method, MethodTable};
use super::{bare, deadline};
use crate::auth::Guard;
use crate::error::{Failure, PLATFORM_DOMAIN, code_name};
use crate::tasks::Tasks;

/// When a shed caller may come back.
const RETRY_AFTER_OVERLOAD: Duration = Duration::from_millis(200);

/// What a call may use.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    pub(super) permits: Arc<Semaphore>,
    pub(super) deadline_default: Duration,
    pub(super) deadline_max: Duration,
}

#[derive(Clone)]
pub(super) struct CallLayer {
    tasks: Tasks,
    methods: MethodTable,
    guard: Guard,
    limits: Limits,
    running: Gauge,
    shed: Counter<u64, AtomicU64>,
}

impl CallLayer {
    pub(super) fn new(tasks: Tasks, methods: MethodTable, guard: Guard, limits: Limits) -> Self {
        Self {
            tasks,
            methods,
            guard,
            limits,
            running: Gauge::default(),
            shed: Counter::default(),
        }
    }

    pub(super) fn register(&self, registry: &Registry) {
        registry.register(
            "rpc_server_calls_running",
            "Handlers at work, those whose caller has gone among them",
            self.running.clone(),
        );
        registry.register(
            "rpc_server_calls_shed",
            "Calls refused because too many were running",
            self.shed.clone(),
        );
    }
}

impl<S> Layer<S> for CallLayer {
    type Service = Calls<S>;

    fn layer(&self, inner: S) -> Calls<S> {
        Calls {
            inner,
            layer: self.clone(),
        }
    }
}

#[derive(Clone)]
pub(super) struct Calls<S> {
    inner: S,
    layer: CallLayer,
}

impl<S> Service<Request<Body>> for Calls<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        if request.uri().path().starts_with("/grpc.") {
            return Box::pin(self.inner.call(request));
        }
        let method = self.layer.methods.find(request.uri().path());
        let span = span(&method, request.headers());
        let record = CallRecord::new(Arc::clone(&method), span.clone());
        let admitted = span.in_scope(|| {
            let rule = method.rule.as_ref();
            self.layer.guard.admit(request.headers(), rule)
        });
        match admitted {
            Ok(caller) => request.extensions_mut().insert(caller),
            Err(status) => {
                return Box::pin(async move { Ok(record.finish(status.into_http())) });
            }
        };
        // It has served; a handler could only lose it to a log.
        request.headers_mut().remove(AUTHORIZATION);
        let Ok(permit) = Arc::clone(&self.layer.limits.permits).try_acquire_owned() else {
            self.layer.shed.inc();
            return Box::pin(async move { Ok(record.finish(overloaded().into_http())) });
        };
        let allowed = self.allowed(&method, request.headers());
        let expiry = allowed.map(|allowed| Instant::now() + allowed);
        let running = Running::new(self.layer.running.clone(), permit);
        let handler = span.in_scope(|| self.inner.call(request));
        let handler = async move {
            let response = handler.await;
            drop(running);
            response
        };
        let task = span.in_scope(|| self.layer.tasks.detach(handler));
        let streaming = method.streaming;
        let answer = async move {
            let ended = match expiry {
                None => Ok(task.await),
                Some(expiry) => tokio::time::timeout_at(expiry, task).await,
            };
            let response = match ended {
                Ok(Ok(Ok(response))) if streaming => bare::explain_end(bare::explain(response)),
                Ok(Ok(Ok(response))) => bare::explain(response),
                Ok(Ok(Err(never))) => match never {},
                Ok(Err(error)) => broken(&error).into_http(),
                Err(_elapsed) => expired(allowed.unwrap_or_default()).into_http(),
            };
            Ok(record.finish(response))
        };
        Box::pin(answer.instrument(span))
    }
}

impl<S> Calls<S> {
    /// How long the caller waits at most. A stream waits as long as its caller wants: the wish
    /// then holds for the head of the response only.
    fn allowed(&self, method: &Method, headers: &HeaderMap) -> Option<Duration> {
        let limits = &self.layer.limits;
        match deadline::requested(headers) {
            requested if method.streaming => requested,
            Some(requested) => Some(requested.min(limits.deadline_max)),
            None => Some(limits.deadline_default),
        }
    }
}

fn span(method: &Method, headers: &HeaderMap) -> Span {
    let span = tracing::info_span!(
        "rpc",
        otel.name = method.name,
        otel.kind = "server",
        rpc.method = method.name,
        rpc.code = field::Empty,
    );
    if let Some(Ok(traceparent)) = headers.get(TRACEPARENT).map(|value| value.to_str()) {
        tradepost_telemetry::set_parent(&span, traceparent);
    }
    span
}

fn overloaded() -> Status {
    let message = "too many calls are running; try again later";
    Failure::new(
        Code::ResourceExhausted,
        "OVERLOADED",
        PLATFORM_DOMAIN,
        message,
    )
    .retry_after(RETRY_AFTER_OVERLOAD)
    .into()
}

fn expired(allowed: Duration) -> Status {
    let message = "the deadline passed before the call was finished; its outcome is unknown";
    Failure::new(
        Code::DeadlineExceeded,
        "DEADLINE_EXCEEDED",
        PLATFORM_DOMAIN,
        message,
    )
    .metadata("deadline_ms", allowed.as_millis())
    .into()
}

/// The handler's task has ended without an answer: it panicked, which the panic hook has logged,
/// or the process is at its end.
fn broken(error: &JoinError) -> Status {
    if error.is_panic() {
        return Failure::internal_unlogged().into();
    }
    let message = "the process is shutting down";
    Failure::new(Code::Unavailable, "SHUTTING_DOWN", PLATFORM_DOMAIN, message)
        .retry_after(RETRY_AFTER_OVERLOAD)
        .into()
}

/// A handler at work; it gives its permit back when it ends, however it ends.
struct Running {
    gauge: Gauge,
    _permit: OwnedSemaphorePermit,
}

impl Running {
    fn new(gauge: Gauge, permit: OwnedSemaphorePermit) -> Self {
        gauge.inc();
        Self {
            gauge,
            _permit: permit,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.gauge.dec();
    }
}

/// Measures a call as its caller sees it: one that goes away has cancelled it.
struct CallRecord {
    method: Arc<Method>,
    span: Span,
    started: Instant,
    code: Code,
}

impl CallRecord {
    fn new(method: Arc<Method>, span: Span) -> Self {
        Self {
            method,
            span,
            started: Instant::now(),
            code: Code::Cancelled,
        }
    }

    fn finish(mut self, response: Response<Body>) -> Response<Body> {
        // An error without a message stands in the head; a success ends with its trailers.
        self.code = response
            .headers()
            .get("grpc-status")
            .map_or(Code::Ok, |code| Code::from_bytes(code.as_bytes()));
        response
    }
}

impl Drop for CallRecord {
    fn drop(&mut self) {
        let duration = self.started.elapsed();
        self.method.record(self.code, duration);
        self.span.record("rpc.code", code_name(self.code));
        tracing::debug!(
            parent: &self.span,
            event = "rpc.handled",
            rpc.duration_seconds = duration.as_secs_f64(),
            "a call was handled"
        );
    }
}
