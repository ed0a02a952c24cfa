//! One layer around every request: hygiene, admission, span, panics, errors, headers and
//! measurement.
//!
//! It is one layer and not six, since each would box a future and clone a service per request.

mod seen;

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::CONNECTION;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tracing::Instrument;

use super::cors::Page;
use super::gate::pass;
use super::port::Arrival;
use super::problem::Problem;
use super::router::{Gateway, Shared};
use super::{headers, hygiene};
use seen::{Seen, Trace};
use tradepost_service::proxies::Client;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// A caller's own id is no longer than this.
const REQUEST_ID_LEN_MAX: usize = 128;
/// W3C Trace Context, level 2: which trace a request became a part of.
const TRACE_RESPONSE: HeaderName = HeaderName::from_static("traceresponse");
/// When a shed caller may come back.
const RETRY_AFTER_OVERLOAD: Duration = Duration::from_secs(1);

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

/// By what a request is found in logs and traces, and since when it runs.
#[derive(Debug, Clone)]
pub(super) struct Traced {
    pub(super) trace_id: Arc<str>,
    pub(super) since: Instant,
}

/// The layer.
pub(super) async fn edge(
    State(gateway): State<Shared>,
    mut request: Request,
    next: Next,
) -> Response {
    let arrival = request.extensions_mut().remove().unwrap_or_default();
    let seen = Seen::of(&gateway, &request);
    let span = seen.span.clone();
    async move {
        let (mut asker, entry) = enter(&gateway, &mut request, arrival);
        let trace = Trace::current();
        request.extensions_mut().insert(Traced {
            trace_id: trace.id.as_str().into(),
            since: seen.started,
        });
        let answer = match entry {
            Entry::Granted => answer(&gateway, request, next).await,
            Entry::Answered(answer) => answer,
        };
        asker.page.shut_out(&answer);
        let mut answer = seen.render(answer, &trace.id);
        let headers = answer.headers_mut();
        headers::secure(headers, seen.route(), asker.client.is_secure);
        asker.dress(headers, &trace);
        if gateway.shutdown.is_cancelled() {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        seen.finish(answer)
    }
    .instrument(span)
    .await
}

/// What the answer needs to know of the request.
struct Asker {
    client: Client,
    page: Page,
    given_id: Option<HeaderValue>,
}

/// Whether a request may go in.
enum Entry {
    Granted,
    /// It needs no handler: it is refused, or a preflight.
    Answered(Response),
}

/// What needs no identity. Afterwards the request holds nothing that only trusted parts may say.
fn enter(gateway: &Gateway, request: &mut Request, arrival: Arrival) -> (Asker, Entry) {
    let given = request.headers();
    let asker = Asker {
        client: gateway.proxies.client(arrival.peer, given),
        page: Page::of(request.method(), given, gateway.origins.as_ref()),
        given_id: given.get(REQUEST_ID).filter(|id| is_id(id)).cloned(),
    };
    let fault = arrival.fault.map(Problem::from);
    let fault = fault.or_else(|| hygiene::check(request.uri(), given).err());
    let entry = match fault.map(IntoResponse::into_response) {
        Some(refusal) => Entry::Answered(refusal),
        None => asker
            .page
            .preflight()
            .map_or(Entry::Granted, Entry::Answered),
    };
    hygiene::strip(request.headers_mut());
    request.extensions_mut().insert(asker.client);
    (asker, entry)
}

impl Asker {
    fn dress(self, headers: &mut HeaderMap, trace: &Trace) {
        let made = || HeaderValue::try_from(trace.id.as_str()).ok();
        if let Some(id) = self.given_id.or_else(made) {
            headers.insert(REQUEST_ID, id);
        }
        if let Some(Ok(parent)) = trace.parent.as_deref().map(HeaderValue::try_from) {
            headers.insert(TRACE_RESPONSE, parent);
        }
        self.page.dress(headers);
    }
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

#[cfg(test)]
mod tests;
