//! The live port of the notification service: no calls, but a `WebSocket` for each who listens.

use std::time::Duration;

use axum::http::header::{AUTHORIZATION, RETRY_AFTER, SEC_WEBSOCKET_PROTOCOL};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::error::Error;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tradepost_service::auth::Bearer;
use url::Url;

use super::notification::SERVICE;
use super::refusal::Refusal;

/// The reason for a client that offers other subprotocols only.
const SUBPROTOCOL_UNKNOWN: &str = "SUBPROTOCOL_UNKNOWN";
/// How long it may take until the socket is open.
const OPEN_MAX: Duration = Duration::from_secs(5);
/// The largest message.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// What is read at once: most sockets are silent most of the time.
const BUFFER_BYTES: usize = 4 * 1024;
/// What may wait to be written.
const WRITE_BYTES_MAX: usize = 256 * 1024;

/// Limits of a socket, at both of its ends.
#[must_use]
pub(crate) fn socket_limits() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BYTES_MAX)
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX))
}

/// A socket of the service.
pub(crate) struct Opened {
    pub(crate) socket: WebSocketStream<TcpStream>,
    /// The subprotocol that the service has chosen.
    pub(crate) protocol: Option<HeaderValue>,
}

/// Opens a socket at `url` for whom `token` says.
pub(super) async fn open(
    url: &Url,
    token: &Bearer,
    protocols: &[String],
) -> Result<Opened, Refusal> {
    let opening = tokio::time::timeout(OPEN_MAX, connect(url, token, protocols)).await;
    match opening {
        Ok(Ok(opened)) => Ok(opened),
        Ok(Err(error)) => {
            tracing::debug!(event = "gateway.socket_failed", %error, "no socket of the service");
            match error.downcast_ref() {
                Some(Error::Http(answer)) => Err(refused(answer)),
                _ => Err(Refusal::unreachable(SERVICE)),
            }
        }
        Err(_elapsed) => Err(Refusal::unreachable(SERVICE)),
    }
}

/// What the port says of why.
#[derive(Deserialize)]
struct Why {
    reason: String,
    detail: String,
}

/// Why the port opens no socket: that it is full, or that a client's subprotocols are none of its.
/// What else it says is about ourselves.
fn refused(answer: &Response<Option<Vec<u8>>>) -> Refusal {
    let status = answer.status();
    let body = answer.body().as_deref().unwrap_or_default();
    let why: Option<Why> = serde_json::from_slice(body).ok();
    let passing = status == StatusCode::SERVICE_UNAVAILABLE;
    match why {
        Some(Why { reason, detail }) if passing || reason == SUBPROTOCOL_UNKNOWN => Refusal {
            status,
            reason,
            detail,
            retry_after: retry_after(answer.headers()),
            ..Refusal::unreachable(SERVICE)
        },
        Some(_) | None => Refusal::unreachable(SERVICE),
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

async fn connect(url: &Url, token: &Bearer, protocols: &[String]) -> anyhow::Result<Opened> {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or(80);
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    let uri = format!("ws://{host}:{port}{}", url.path()).parse()?;
    let token = token.to_metadata();
    let mut request =
        ClientRequestBuilder::new(uri).with_header(AUTHORIZATION.as_str(), token.to_str()?);
    if let Some(traceparent) = tradepost_telemetry::current_traceparent() {
        request = request.with_header(tradepost_telemetry::TRACEPARENT, traceparent);
    }
    for protocol in protocols {
        request = request.with_sub_protocol(protocol);
    }
    let limits = Some(socket_limits());
    let (socket, answer) =
        tokio_tungstenite::client_async_with_config(request, stream, limits).await?;
    let protocol = answer.headers().get(SEC_WEBSOCKET_PROTOCOL).cloned();
    Ok(Opened { socket, protocol })
}
