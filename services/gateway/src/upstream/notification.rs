//! The notification service: no calls, but a WebSocket.

use std::time::Duration;

use axum::http::HeaderValue;
use axum::http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tradepost_service::auth::Bearer;
use url::Url;

use super::refusal::Refusal;

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
            Err(Refusal::unreachable(SERVICE))
        }
        Err(_elapsed) => Err(Refusal::unreachable(SERVICE)),
    }
}

/// Its name in texts and metrics.
pub(super) const SERVICE: &str = "notification";

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
