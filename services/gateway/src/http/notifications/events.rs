//! What happens, as server-sent events: for clients and proxies that have no WebSocket. The same
//! messages, the same resume; only the client says nothing.

mod telling;

use std::net::{IpAddr, Ipv4Addr};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use tokio::sync::mpsc;
use tradepost_notifications::events::{CONTENT_TYPE as EVENTS, Heard, LAST_EVENT_ID};
use tradepost_notifications::wire::SUBPROTOCOL;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ending::Ending;
use super::not_now;
use crate::http::caller::{By, Resting};
use crate::http::problem::Problem;
use crate::http::query;
use crate::http::router::Shared;
use telling::Telling;
use tradepost_service::proxies::Client;

/// A proxy that gathers an answer before it passes it on must not.
const UNBUFFERED: (HeaderName, HeaderValue) = (
    HeaderName::from_static("x-accel-buffering"),
    HeaderValue::from_static("no"),
);
/// How many pieces may wait for a slow client, besides what its connection holds.
const PIECES_MAX: usize = 16;

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::default().routes(routes!(stream))
}

/// Hear notifications as server-sent events
///
/// The messages of the WebSocket, each as an event of its kind (`welcome`, `notification`, `signal`,
/// `tops`, `read`, `joined`, `left`) with the message as its data. Events that move on have an id;
/// sent back in `Last-Event-ID`, what was missed follows the `welcome`, as on the WebSocket. The last
/// event is `closed`, with the `code` and the `reason` that the WebSocket would be closed with;
/// `retry` says when to come back. Comments keep the connection alive.
#[utoipa::path(
    get,
    path = "/v1/notifications/sse",
    operation_id = "stream_notifications",
    tag = "notifications",
    params(
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event heard"),
    ),
    responses(
        (status = 200, description = "Events, without end", content((String = "text/event-stream")))
    )
)]
async fn stream(
    State(gateway): State<Shared>,
    By(caller): By,
    Resting(basis): Resting,
    request: Request,
) -> Result<Response, Problem> {
    query::refuse(request.uri())?;
    let headers = request.headers();
    let heard = heard(headers)?;
    let client = request.extensions().get::<Client>().copied();
    let address = client.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |client| client.address);
    let ending = Ending::of(&gateway, (&caller, basis), headers, address);
    if gateway.shutdown.is_cancelled() {
        return Err(not_now("SHUTTING_DOWN", "the process is shutting down"));
    }
    let place = gateway.places.take(&caller, client)?;
    let protocols = [SUBPROTOCOL.to_owned()];
    let upstream = gateway.upstreams.notifications(&caller, &protocols).await?;
    let (to_client, pieces) = mpsc::channel(PIECES_MAX);
    let telling = Telling {
        upstream: upstream.socket,
        to_client,
        heard,
        limits: gateway.places.limits().clone(),
        metrics: gateway.metrics.clone(),
        _place: place,
    };
    gateway.tasks.detach(telling.run(ending));
    Ok(answer(pieces))
}

/// What the client says it has heard.
fn heard(headers: &HeaderMap) -> Result<Heard, Problem> {
    let mut ids = headers.get_all(LAST_EVENT_ID).iter();
    let heard = match (ids.next(), ids.next()) {
        (None, _) => Some(Heard::default()),
        (Some(id), None) => id.to_str().ok().and_then(Heard::parse),
        (Some(_), Some(_)) => None,
    };
    heard.ok_or_else(|| {
        let wanted = "must be the id of an event, given once, or left out";
        let detail = format!("the header {LAST_EVENT_ID} {wanted}");
        Problem::new(StatusCode::BAD_REQUEST, "LAST_EVENT_ID_INVALID", detail)
            .header(LAST_EVENT_ID, wanted)
    })
}

fn answer(pieces: mpsc::Receiver<Bytes>) -> Response {
    let body = futures::stream::unfold(pieces, async |mut pieces| {
        let piece = pieces.recv().await?;
        Some((Ok::<_, std::convert::Infallible>(piece), pieces))
    });
    let mut answer = Response::new(Body::from_stream(body));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(EVENTS));
    headers.extend([UNBUFFERED]);
    answer
}
