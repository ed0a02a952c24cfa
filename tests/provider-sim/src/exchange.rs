//! One request from its bytes to its answer: key check, fault, idempotency, effect, webhooks.

use std::sync::Arc;
use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::{Extension, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::response::Response;
use tokio::time::sleep;

use crate::api::{Endpoint, read};
use crate::connection::{Cut, Line};
use crate::error::ApiError;
use crate::faults::{Fault, Subject};
use crate::form::Params;
use crate::journal::{Entry, Outcome};
use crate::ledger::{Cause, Claim, Refusal};
use crate::render::{self, Expand};
use crate::simulator::App;

mod reply;

use reply::Reply;

const BODY_BYTES_MAX: usize = 64 * 1024;
const KEY_HEADER: &str = "idempotency-key";
const KEY_CHARS_MAX: usize = 255;

/// A request that was understood.
struct Call {
    endpoint: Endpoint,
    params: Params,
    cause: Cause,
}

/// Answers everything under `/v1`.
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    Extension(line): Extension<Line>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let reply = match to_bytes(body, BODY_BYTES_MAX).await {
        Err(_) => Reply::error(&ApiError::invalid(
            "The request body is unreadable or too long.",
        )),
        Ok(body) => match understand(&app, &parts, &body) {
            Ok(call) => answer(app, call, &line).await,
            Err(error) => Reply::error(&error),
        },
    };
    reply.into_response(parts.headers.get(KEY_HEADER))
}

fn understand(app: &App, parts: &Parts, body: &[u8]) -> Result<Call, ApiError> {
    let Parts {
        method,
        uri,
        headers,
        ..
    } = parts;
    authenticate(app, headers)?;
    let Some(endpoint) = Endpoint::find(method, uri.path()) else {
        return Err(ApiError::unknown_url(method.as_str(), uri.path()));
    };
    let encoded = if *method == Method::POST {
        body
    } else {
        uri.query().unwrap_or_default().as_bytes()
    };
    let params = Params::parse(encoded)?;
    let mut cause = Cause::of(endpoint.op());
    if let (&Method::POST, Some(key)) = (method, headers.get(KEY_HEADER)) {
        let valid = key
            .to_str()
            .ok()
            .filter(|key| (1..=KEY_CHARS_MAX).contains(&key.len()));
        let key = valid.ok_or_else(|| {
            ApiError::invalid("Idempotency-Key must have 1 to 255 printable characters.")
        })?;
        cause.key = Some((
            key.to_owned(),
            params.fingerprint(method.as_str(), uri.path()),
        ));
    }
    Ok(Call {
        endpoint,
        params,
        cause,
    })
}

fn authenticate(app: &App, headers: &HeaderMap) -> Result<(), ApiError> {
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    match given.and_then(|value| value.strip_prefix("Bearer ")) {
        Some(key) if key == app.config.secret_key => Ok(()),
        Some(_) => Err(ApiError::unauthorized("Invalid API Key provided: sk_***")),
        None => Err(ApiError::unauthorized(
            "You did not provide an API key. You need to provide your API key in the \
             Authorization header, using Bearer auth.",
        )),
    }
}

/// Plays the fault that is due, if any, around the work.
async fn answer(app: Arc<App>, mut call: Call, line: &Line) -> Reply {
    let fault = draw(&app, &call);
    call.cause.fault = fault.as_ref().map(Fault::name);
    match fault {
        None => work(app, call).await,
        Some(Fault::Delay { delay_ms }) => {
            // Claimed now and carried out on its own: it happens even if the client hangs up.
            let tasks = app.tasks.clone();
            let late = tasks.spawn(async move {
                match claim(&app, &call) {
                    Ok(key) => {
                        sleep(Duration::from_millis(delay_ms)).await;
                        let reply = carry_out(&app, call).await;
                        drop(key);
                        reply
                    }
                    Err(reply) => reply,
                }
            });
            late.await.unwrap_or_else(|_| Reply::internal())
        }
        Some(Fault::Status {
            status,
            delay_ms,
            saved,
        }) => {
            sleep(Duration::from_millis(delay_ms)).await;
            fail(&app, &call, ApiError::internal(status), saved)
        }
        Some(Fault::RateLimit {
            retry_after_seconds,
        }) => fail(&app, &call, ApiError::rate_limited(), false).retry_after(retry_after_seconds),
        Some(Fault::TimeoutBefore { hang_ms }) => {
            fail(&app, &call, ApiError::internal(500), false);
            sleep(Duration::from_millis(hang_ms)).await;
            line.cut(Cut::Close).await
        }
        Some(Fault::ResetBefore) => {
            fail(&app, &call, ApiError::internal(500), false);
            line.cut(Cut::Reset).await
        }
        Some(Fault::TimeoutAfter { hang_ms }) => {
            work(app, call).await;
            sleep(Duration::from_millis(hang_ms)).await;
            line.cut(Cut::Close).await
        }
        Some(Fault::ResetAfter) => {
            work(app, call).await;
            line.cut(Cut::Reset).await
        }
        Some(Fault::SearchEmpty) => {
            note(&app, &call, Outcome::Fault, None);
            Reply::ok(&read::empty_search())
        }
        // Kinds for webhooks are never drawn for a request.
        Some(
            Fault::WebhookDuplicate { .. }
            | Fault::WebhookDelay { .. }
            | Fault::WebhookEarly
            | Fault::WebhookOutOfOrder { .. }
            | Fault::WebhookForged
            | Fault::WebhookStale { .. }
            | Fault::WebhookNone,
        ) => work(app, call).await,
    }
}

fn draw(app: &App, call: &Call) -> Option<Fault> {
    if app.faults.is_empty() {
        return None;
    }
    let (known_method, known_payment) = app.ledger.look(|bank| {
        let id = call.endpoint.intent_id(&call.params);
        let intent = id.and_then(|id| bank.intent(id));
        let payment = intent
            .and_then(|i| i.metadata.get("payment_id"))
            .map(str::to_owned);
        (intent.and_then(|i| i.payment_method.clone()), payment)
    });
    let searched = call
        .params
        .text("query")
        .and_then(|query| crate::bank::Query::parse(query).ok());
    let given_payment = call.params.text("metadata[payment_id]");
    app.faults.for_request(Subject {
        op: call.cause.op,
        payment_method: call
            .params
            .text("payment_method")
            .or(known_method.as_deref()),
        payment_id: known_payment
            .as_deref()
            .or(given_payment)
            .or_else(|| searched.as_ref().and_then(|query| query.payment_id())),
    })
}

/// Logs an answer without an effect. A log that cannot be written shows at the next effect.
fn note(app: &App, call: &Call, outcome: Outcome, error: Option<ApiError>) {
    let refusal = refusal(call, outcome, error);
    let _ = app.ledger.refuse(&call.cause, refusal);
}

fn refusal(call: &Call, outcome: Outcome, error: Option<ApiError>) -> Refusal<'_> {
    Refusal {
        outcome,
        error,
        saved: false,
        intent_id: call.endpoint.intent_id(&call.params),
        metadata: call.params.metadata().unwrap_or_default(),
    }
}

/// A failure without an effect.
fn fail(app: &Arc<App>, call: &Call, error: ApiError, saved: bool) -> Reply {
    if saved {
        match claim(app, call) {
            Err(reply) => return reply,
            Ok(_key) => {
                let failure = refusal(call, Outcome::Fault, Some(error.clone()));
                let saved = Refusal {
                    saved: true,
                    ..failure
                };
                let _ = app.ledger.refuse(&call.cause, saved);
            }
        }
    } else {
        note(app, call, Outcome::Fault, Some(error.clone()));
    }
    Reply::error(&error)
}

async fn work(app: Arc<App>, call: Call) -> Reply {
    match claim(&app, &call) {
        Ok(key) => {
            let reply = carry_out(&app, call).await;
            drop(key);
            reply
        }
        Err(reply) => reply,
    }
}

/// Frees an idempotency key when its request is over.
struct HeldKey {
    app: Arc<App>,
    key: String,
}

impl Drop for HeldKey {
    fn drop(&mut self) {
        self.app.ledger.release(&self.key);
    }
}

/// Takes the request's idempotency key, or says what to answer instead.
fn claim(app: &Arc<App>, call: &Call) -> Result<Option<HeldKey>, Reply> {
    let Some((key, fingerprint)) = &call.cause.key else {
        return Ok(None);
    };
    let refuse = |error: ApiError| {
        note(app, call, Outcome::Refused, Some(error.clone()));
        Reply::error(&error)
    };
    match app.ledger.claim(key, *fingerprint) {
        Ok(Claim::Fresh) => Ok(Some(HeldKey {
            app: Arc::clone(app),
            key: key.clone(),
        })),
        Ok(Claim::Replay(original)) => {
            let _ = app.ledger.replayed(&call.cause, &original);
            Err(reply_of(&original, read::expand(&call.params)).replayed())
        }
        Ok(Claim::Reused) => Err(refuse(ApiError::key_reused(key))),
        Ok(Claim::InUse) => Err(refuse(ApiError::key_in_use(key))),
        Err(_) => Err(Reply::internal()),
    }
}

/// The work itself. Parameters that make no sense are refused before anything is saved.
async fn carry_out(app: &App, call: Call) -> Reply {
    let Call {
        endpoint,
        params,
        cause,
    } = &call;
    let command = match endpoint.clone().command(params) {
        Ok(Some(command)) => command,
        Ok(None) => {
            return match app.ledger.look(|bank| read::answer(endpoint, bank, params)) {
                Ok(body) => Reply::ok(&body),
                Err(error) => Reply::error(&error),
            };
        }
        Err(error) => {
            note(app, &call, Outcome::Refused, Some(error.clone()));
            return Reply::error(&error);
        }
    };
    match app.ledger.execute(cause, command) {
        Ok(entry) => {
            app.after(&entry).await;
            reply_of(&entry, read::expand(params))
        }
        Err(_) => Reply::internal(),
    }
}

fn reply_of(entry: &Entry, expand: Expand) -> Reply {
    let status = entry.error.as_ref().map_or(200, |error| error.status);
    Reply::new(status, &render::answer(entry, expand))
}
