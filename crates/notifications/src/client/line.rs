//! One connection.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::Error;
use tokio_tungstenite::tungstenite::http::header::{AUTHORIZATION, RETRY_AFTER};
use tokio_tungstenite::tungstenite::http::{HeaderValue, Response, StatusCode};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{ClientRequestBuilder, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::{Credentials, Ended};
use crate::wire::{MESSAGE_BYTES_MAX, SUBPROTOCOL, Said};

/// How long opening may take.
const OPEN_MAX: Duration = Duration::from_secs(10);
/// How long saying something may take.
const SAY_MAX: Duration = Duration::from_secs(10);
/// Most connections are silent most of the time.
const BUFFER_BYTES: usize = 4 * 1024;

pub(super) struct Line(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// What came of opening one.
pub(super) enum Opening {
    Open(Box<Line>),
    /// Not now.
    Later(Duration),
    /// Not with this request.
    Never(u16),
}

impl Line {
    pub(super) async fn open(url: &str, credentials: &Credentials) -> Result<Opening, Ended> {
        let uri = url.parse().map_err(|_malformed| Ended::Request)?;
        let mut request = ClientRequestBuilder::new(uri)
            .with_sub_protocol(SUBPROTOCOL)
            .into_client_request()
            .map_err(|_malformed| Ended::Request)?;
        let mut credentials =
            HeaderValue::try_from(credentials.header()).map_err(|_malformed| Ended::Request)?;
        credentials.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, credentials);
        let limits = WebSocketConfig::default()
            .read_buffer_size(BUFFER_BYTES)
            .write_buffer_size(0)
            .max_message_size(Some(MESSAGE_BYTES_MAX));
        let opening = tokio_tungstenite::connect_async_with_config(request, Some(limits), true);
        Ok(match tokio::time::timeout(OPEN_MAX, opening).await {
            Ok(Ok((socket, _answer))) => Opening::Open(Box::new(Self(socket))),
            Ok(Err(Error::Http(answer))) => refused(&answer),
            Ok(Err(_)) | Err(_) => Opening::Later(Duration::ZERO),
        })
    }

    /// Says something; a failure shows when the line is read.
    pub(super) async fn say(&mut self, said: &Said) {
        let Ok(text) = serde_json::to_string(said) else {
            return;
        };
        let saying = self.0.send(Message::text(text));
        let _shown_later = tokio::time::timeout(SAY_MAX, saying).await;
    }

    /// The next text, or the code it was closed with.
    pub(super) async fn next(&mut self) -> Result<String, Option<u16>> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => return Ok(text.as_str().to_owned()),
                Some(Ok(Message::Close(frame))) => {
                    return Err(frame.map(|frame| frame.code.into()));
                }
                Some(Ok(
                    Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_),
                )) => {}
                Some(Err(_)) | None => return Err(None),
            }
        }
    }
}

fn refused(answer: &Response<Option<Vec<u8>>>) -> Opening {
    let status = answer.status();
    let is_passing = status.is_server_error()
        || status == StatusCode::TOO_MANY_REQUESTS
        || status == StatusCode::REQUEST_TIMEOUT;
    if !is_passing {
        return Opening::Never(status.as_u16());
    }
    let after = answer.headers().get(RETRY_AFTER);
    let seconds = after.and_then(|value| value.to_str().ok()?.parse().ok());
    Opening::Later(Duration::from_secs(seconds.unwrap_or_default()))
}
