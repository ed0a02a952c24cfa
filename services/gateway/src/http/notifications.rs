//! What happens, as it happens (the WebSocket of the notification service, passed through, or read
//! for who wants `events`) and afterwards (`history`); and telling people something (`sending`).
//!
//! Who may open a socket is decided like every other call. What is said on it is relayed message by
//! message (`relay`), so that limits hold and a close says why; nothing is read of it but what is
//! the gateway's own: fresh credentials (`refresh`). It ends with the credentials that it has
//! (`ending`). A page that can set no header opens it with a ticket (`tickets`).

mod ending;
mod events;
mod history;
mod places;
mod refresh;
mod relay;
mod sending;
mod tickets;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    CONNECTION, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, UPGRADE,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::{By, Resting};
use super::cors::{foreign_page, may_call_for};
use super::problem::Problem;
use super::query;
use super::router::{Gateway, Shared};
use super::upgrade::Protocols;
use crate::domain::caller::Caller;
use ending::Ending;
use relay::Relay;
use tradepost_service::proxies::Client;

pub use places::Places;

/// When to come back when something is not there, or full.
const RETRY_AFTER: Duration = Duration::from_secs(5);

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::default()
        .routes(routes!(open))
        .merge(events::routes())
        .merge(history::routes())
        .merge(sending::routes())
        .merge(tickets::routes())
}

/// Open the WebSocket for notifications
///
/// Credentials are given in `Authorization`, or as subprotocols: `bearer`, then the token, or
/// `ticket`, then a ticket; of those only the first is answered. Never in the URL. A further token
/// of the same person moves the end of the socket: `{"t":"refresh","token":"…"}`, answered by
/// `refreshed` with `expires_at`. The socket is closed with 4401 when the token
/// runs out, 4403 when it is revoked, 1012 when the process stops (`reconnect` says before that after
/// how many milliseconds to come back) or the service behind it is gone (come back with back-off),
/// 1001 when it is idle, 1008 for too many messages, 1009 for one that is larger than 64 KiB, and
/// 1013 when a further token cannot be judged now.
#[utoipa::path(
    get,
    path = "/v1/notifications/ws",
    operation_id = "open_notifications",
    tag = "notifications",
    params(
        ("Sec-WebSocket-Protocol" = Option<String>, Header, description = "`bearer, <token>` or `ticket, <ticket>`"),
    ),
    responses((status = 101, description = "The connection is a WebSocket from here on"))
)]
async fn open(
    State(gateway): State<Shared>,
    By(caller): By,
    Resting(basis): Resting,
    mut request: Request,
) -> Result<Response, Problem> {
    query::refuse(request.uri())?;
    let headers = request.headers();
    check_origin(&gateway, &caller, headers).await?;
    let accept = accept(headers)?;
    let protocols = Protocols::of(headers);
    let client = request.extensions().get::<Client>().copied();
    let address = client.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |client| client.address);
    let ending = Ending::of(&gateway, (&caller, basis), headers, address);
    if gateway.shutdown.is_cancelled() {
        return Err(not_now("SHUTTING_DOWN", "the process is shutting down"));
    }
    let place = gateway.places.take(&caller, client)?;
    let upstream = gateway.upstreams.notifications(&caller, &protocols.rest);
    let upstream = upstream.await?;
    let chosen = upstream.protocol.clone().or_else(|| protocols.marker());
    let relay = Relay {
        upstream: upstream.socket,
        ending,
        limits: gateway.places.limits().clone(),
        metrics: gateway.metrics.clone(),
        _place: place,
    };
    let upgrade = hyper::upgrade::on(&mut request);
    gateway.tasks.detach(async move {
        // An error here: the client left before the connection was its own.
        if let Ok(upgraded) = upgrade.await {
            relay.run(upgraded).await;
        }
    });
    Ok(switching(&accept, chosen))
}

fn switching(accept: &str, protocol: Option<HeaderValue>) -> Response {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = answer.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::try_from(accept) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    if let Some(protocol) = protocol {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    answer
}

/// A browser tells the page's origin, and no CORS stands between a page and a WebSocket. A program
/// has none.
async fn check_origin(
    gateway: &Gateway,
    caller: &Caller,
    headers: &HeaderMap,
) -> Result<(), Problem> {
    let Some(origin) = headers.get(ORIGIN) else {
        return Ok(());
    };
    let origin = origin.to_str().map_err(|_unreadable| foreign_page())?;
    match may_call_for(caller, origin, gateway).await {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(foreign_page()),
    }
}

/// The answer to the client's key (RFC 6455).
fn accept(headers: &HeaderMap) -> Result<String, Problem> {
    let mut keys = headers.get_all(SEC_WEBSOCKET_KEY).iter();
    match (keys.next(), keys.next()) {
        // 16 bytes in base64.
        (Some(key), None) if key.len() == 24 => Ok(derive_accept_key(key.as_bytes())),
        _ => {
            let wanted = "must be given once, with 16 bytes in base64";
            let detail = format!("the header Sec-WebSocket-Key {wanted}");
            Err(
                Problem::new(StatusCode::BAD_REQUEST, "UPGRADE_MALFORMED", detail)
                    .header("Sec-WebSocket-Key", wanted),
            )
        }
    }
}

fn not_now(reason: &'static str, detail: &str) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, reason, detail).retry_after(RETRY_AFTER)
}
