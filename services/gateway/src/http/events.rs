//! Events: sent, counted, kept.
//!
//! What stands in the table of the metrics service counts: the answer is the receipt of its commit.
//! A request is one batch, whatever its form; `reading` makes it, `body` is its form in JSON.

mod body;
mod reading;
mod receipt;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::HeaderValue;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::asking::Asking;
use super::idempotency::{IdempotencyKey, REPLAYED};
use super::problem::Problem;
use super::query::{self, StrictQuery};
use super::router::Shared;
use super::values::present;
use body::{EventFilter, EventPage, NewEvents};
use receipt::Receipt;

/// The example of NDJSON.
const TWO_LINES: &str = r#"{"event_time":"2026-07-01T12:00:00Z","event_type":"cart.paid","value":4200}
{"event_time":"2026-07-01T12:00:01Z","event_type":"cart.left","value":1}
"#;

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::default().routes(routes!(ingest, list))
}

/// Send events
///
/// One event; or a batch of up to 10,000, `{"producer_id", "sequence", "events"}`; or NDJSON, one
/// event a line. All of a request is stored together, and counted once however often it is sent: a
/// batch is known by its `producer_id` and `sequence`, everything else by its `Idempotency-Key`.
/// Both of them at once are refused.
///
/// Events that cannot be stored are named in the answer, the others of the request are stored. JSON
/// that is not as it is described here is refused whole; of NDJSON only its broken lines are.
#[utoipa::path(
    post,
    path = "/v1/events",
    operation_id = "ingest_events",
    tag = "events",
    params((
        "Idempotency-Key" = Option<String>, Header,
        description = "Names the batch, unless it has `producer_id` and `sequence`: a new one \
            (best a UUID) for each new batch, the same one when it is sent again. Printable \
            ASCII. Known for at least 7 days",
        min_length = 1, max_length = 255,
        example = "0190b8f4-3e1b-7c6d-9f00-8a5d5c1f0a11",
    )),
    request_body(
        description = "At most 10,000 events and 2 MiB",
        content(
            (NewEvents = "application/json", examples(
                ("one" = (summary = "One event, with an Idempotency-Key", value = json!({
                    "event_time": "2026-07-01T12:00:00.250Z", "user_id": "user-4711",
                    "event_type": "page.viewed", "value": 12.5
                }))),
                ("batch" = (summary = "A batch of a producer that counts", value = json!({
                    "producer_id": "checkout-1", "sequence": 4711, "events": [
                        {"event_time": "2026-07-01T12:00:00Z", "event_type": "cart.paid",
                            "value": 4200},
                        {"event_time": "2026-07-01T12:00:01Z", "event_type": "cart.left",
                            "value": 1}
                    ]
                }))),
            )),
            (String = "application/x-ndjson", example = json!(TWO_LINES)),
        ),
    ),
    responses(
        (status = 200, description = "What became of them. `Idempotent-Replayed: true`: they had \
            been stored before, and nothing was now", body = Receipt),
        (status = 413, description = "`BATCH_TOO_LARGE`, `BODY_TOO_LARGE`: send the events in \
            several requests, each with a key or sequence of its own"),
        (status = 415, description = "The body is neither JSON nor NDJSON in UTF-8"),
    )
)]
async fn ingest(
    State(gateway): State<Shared>,
    Asking(services): Asking,
    key: Option<IdempotencyKey>,
    request: Request,
) -> Result<(HeaderMap, Json<Receipt>), Problem> {
    query::refuse(request.uri())?;
    let analytics = services.analytics()?;
    let batch = reading::read(request, key, &gateway).await?;
    let answer = analytics.ingest(batch.request).await?;
    let receipt = Receipt::new(present(answer.receipt)?, batch.given);
    let mut headers = HeaderMap::new();
    if receipt.duplicate {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok((headers, Json(receipt)))
}

/// List events
///
/// Newest first, wherever they are: those that are archived are among them.
#[utoipa::path(
    get,
    path = "/v1/events",
    operation_id = "list_events",
    tag = "events",
    params(EventFilter),
    responses((status = 200, description = "A page of events", body = EventPage))
)]
async fn list(
    Asking(services): Asking,
    StrictQuery(filter): StrictQuery<EventFilter>,
) -> Result<Json<EventPage>, Problem> {
    let page = services.analytics()?.list(filter.into()).await?;
    EventPage::try_from(page).map(Json)
}
