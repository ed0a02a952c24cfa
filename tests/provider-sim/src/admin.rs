//! The control panel under `/_sim`. It needs no key: whoever can reach a simulator may steer it.

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::bank::{Command, NewDispute};
use crate::clock;
use crate::config::WebhookTarget;
use crate::faults::{ActiveRule, Rule};
use crate::journal::{Entry, lines};
use crate::model::DisputeStatus;
use crate::render;
use crate::simulator::{ActionResult, App};
use crate::webhooks::{self, now_seconds, signature};

/// Most lines of one log answer.
const LOG_LINES_MAX: usize = 10_000;

type Shared = State<Arc<App>>;
type Failure = (StatusCode, Json<Value>);

pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/health", get(async || "ok"))
        .route(
            "/faults",
            get(list_faults).post(add_faults).delete(clear_faults),
        )
        .route("/faults/{id}", delete(remove_fault))
        .route("/reset", post(reset))
        .route("/complete_action/{id}", post(complete_action))
        .route("/disputes", post(open_dispute))
        .route("/disputes/{id}", get(read_dispute).post(move_dispute))
        .route("/webhooks/target", put(set_target))
        .route("/webhooks/send", post(send_webhook))
        .route("/log", get(log))
}

/// One rule, or several with a seed for their dice.
#[derive(Deserialize)]
#[serde(untagged)]
enum NewFaults {
    One(Rule),
    Several { rules: Vec<Rule>, seed: Option<u64> },
}

async fn list_faults(State(app): Shared) -> Json<Vec<ActiveRule>> {
    Json(app.faults.list())
}

async fn add_faults(
    State(app): Shared,
    Json(body): Json<NewFaults>,
) -> Result<Json<Value>, Failure> {
    let (rules, seed) = match body {
        NewFaults::One(rule) => (vec![rule], None),
        NewFaults::Several { rules, seed } => (rules, seed),
    };
    if let Some(seed) = seed {
        app.faults.seed(seed);
    }
    let added: Result<Vec<u64>, _> = rules.into_iter().map(|rule| app.faults.add(rule)).collect();
    match added {
        Ok(ids) => Ok(Json(json!({ "ids": ids }))),
        Err(error) => Err(failure(StatusCode::BAD_REQUEST, &error)),
    }
}

async fn clear_faults(State(app): Shared) -> StatusCode {
    app.faults.clear();
    StatusCode::NO_CONTENT
}

async fn remove_fault(State(app): Shared, Path(id): Path<u64>) -> StatusCode {
    if app.faults.remove(id) {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::NOT_FOUND
    }
}

async fn reset(State(app): Shared) -> Result<StatusCode, Failure> {
    match app.reset() {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err(failure(StatusCode::INTERNAL_SERVER_ERROR, &error)),
    }
}

#[derive(Deserialize)]
struct ActionQuery {
    #[serde(default)]
    result: ActionResult,
}

async fn complete_action(
    State(app): Shared,
    Path(id): Path<String>,
    Query(query): Query<ActionQuery>,
) -> Response {
    match app.complete_action(&id, query.result).await {
        Ok(entry) => rendered(&entry),
        Err(error) => failure(StatusCode::INTERNAL_SERVER_ERROR, &error).into_response(),
    }
}

fn rendered(entry: &Entry) -> Response {
    let status = entry.error.as_ref().map_or(200, |error| error.status);
    let status = StatusCode::from_u16(status).unwrap_or_default();
    (status, Json(render::answer(entry, render::Expand::Nothing))).into_response()
}

async fn open_dispute(State(app): Shared, Json(new): Json<NewDispute>) -> Response {
    disputed(app.dispute(Command::Dispute(Box::new(new))).await)
}

/// Where the bank goes next.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NextStatus {
    status: DisputeStatus,
}

async fn move_dispute(
    State(app): Shared,
    Path(id): Path<String>,
    Json(next): Json<NextStatus>,
) -> Response {
    let status = next.status;
    disputed(app.dispute(Command::GoOn { id, status }).await)
}

fn disputed(entry: std::io::Result<Entry>) -> Response {
    match entry {
        Ok(entry) => rendered(&entry),
        Err(error) => failure(StatusCode::INTERNAL_SERVER_ERROR, &error).into_response(),
    }
}

async fn read_dispute(State(app): Shared, Path(id): Path<String>) -> Result<Json<Value>, Failure> {
    let found = app
        .ledger
        .look(|bank| bank.dispute(&id).map(render::dispute));
    let found = found.ok_or_else(|| failure(StatusCode::NOT_FOUND, &"no such dispute"));
    Ok(Json(found?))
}

#[derive(Deserialize)]
struct NewTarget {
    url: String,
    secret: String,
}

async fn set_target(State(app): Shared, Json(body): Json<Option<NewTarget>>) -> StatusCode {
    let target = body.map(|body| WebhookTarget {
        url: body.url,
        secret: body.secret,
    });
    app.webhooks.set_target(target);
    StatusCode::NO_CONTENT
}

/// A webhook made by hand.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CraftedWebhook {
    /// Stripe's event type; any text goes.
    #[serde(rename = "type")]
    kind: String,
    /// An event id of one's own, to play a duplicate.
    id: Option<String>,
    /// The present state of this intent, refund or dispute is the object,
    object_id: Option<String>,
    /// or this is.
    object: Option<Value>,
    /// Signed as if it were older (positive) or newer than now.
    #[serde(default)]
    age_seconds: i64,
    /// Signed with this instead of the right secret.
    secret: Option<String>,
}

/// Sends it once and answers the receiver's status.
async fn send_webhook(
    State(app): Shared,
    Json(crafted): Json<CraftedWebhook>,
) -> Result<Json<Value>, Failure> {
    let Some(target) = app.webhooks.target() else {
        return Err(failure(StatusCode::CONFLICT, &"no webhook target is set"));
    };
    let object = crafted.object_id.as_deref().and_then(|id| {
        app.ledger.look(|bank| {
            let intent = bank
                .intent(id)
                .map(|found| match crafted.kind.starts_with("charge.") {
                    true => render::charge(found),
                    false => render::intent(found, render::Expand::Nothing),
                });
            let refund = || bank.refund(id).map(render::refund);
            let dispute = || bank.dispute(id).map(render::dispute);
            intent.or_else(refund).or_else(dispute)
        })
    });
    let id = crafted
        .id
        .unwrap_or_else(|| format!("evt_crafted{:016x}", rand::random::<u64>()));
    let created = clock::now().unix_timestamp();
    let object = object.or(crafted.object);
    let payload = render::envelope(&id, &json!(crafted.kind), created, object).to_string();
    let secret = crafted.secret.as_deref().unwrap_or(&target.secret);
    let timestamp = now_seconds().saturating_sub(crafted.age_seconds);
    let header = signature(secret, timestamp, &payload);
    let status = webhooks::post(app.webhooks.client(), &target.url, &header, payload).await;
    Ok(Json(json!({ "id": id, "receiver_status": status })))
}

#[derive(Deserialize)]
struct LogQuery {
    /// Only entries behind this sequence number.
    #[serde(default)]
    after: u64,
    payment_id: Option<String>,
    limit: Option<usize>,
}

/// The log as it is in the file, one JSON object a line.
async fn log(State(app): Shared, Query(query): Query<LogQuery>) -> Result<Response, Failure> {
    let internal = |error| failure(StatusCode::INTERNAL_SERVER_ERROR, &error);
    let mut text = Vec::new();
    let mut left = query.limit.unwrap_or(LOG_LINES_MAX).min(LOG_LINES_MAX);
    for line in lines(app.ledger.log().map_err(internal)?) {
        let line = line.map_err(internal)?;
        let entry: Entry = serde_json::from_slice(&line).map_err(|error| internal(error.into()))?;
        let wanted = query.payment_id.is_none() || entry.payment_id == query.payment_id;
        if left == 0 {
            break;
        }
        if entry.seq > query.after && wanted {
            text.extend_from_slice(&line);
            left = left.saturating_sub(1);
        }
    }
    let kind = [("content-type", "application/x-ndjson")];
    Ok((kind, Body::from(text)).into_response())
}

fn failure(status: StatusCode, error: &dyn std::fmt::Display) -> Failure {
    (status, Json(json!({ "error": error.to_string() })))
}
