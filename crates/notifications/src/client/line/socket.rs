//! A WebSocket.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use hyper::http::header::AUTHORIZATION;
use hyper::http::{HeaderValue, Uri};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::Error;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{ClientRequestBuilder, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::{Closing, Line, Opening, refused};
use crate::client::Ended;
use crate::stream::{Position, Stream};
use crate::wire::{MESSAGE_BYTES_MAX, SUBPROTOCOL, Said};

const SCHEME: &str = "ws";
/// How long saying something may take.
const SAY_MAX: Duration = Duration::from_secs(10);
/// Most connections are silent most of the time.
const BUFFER_BYTES: usize = 4 * 1024;

pub(in crate::client) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// Opens one and says hello.
    pub(super) async fn open(
        url: &str,
        credentials: HeaderValue,
        positions: &BTreeMap<Stream, Position>,
    ) -> Result<Opening, Ended> {
        let uri: Uri = url.parse().map_err(|_malformed| Ended::Request)?;
        // It has no other, and a try would look like a server that is away.
        if uri.scheme_str() != Some(SCHEME) {
            return Err(Ended::Request);
        }
        let mut request = ClientRequestBuilder::new(uri)
            .with_sub_protocol(SUBPROTOCOL)
            .into_client_request()
            .map_err(|_malformed| Ended::Request)?;
        request.headers_mut().insert(AUTHORIZATION, credentials);
        let limits = WebSocketConfig::default()
            .read_buffer_size(BUFFER_BYTES)
            .write_buffer_size(0)
            .max_message_size(Some(MESSAGE_BYTES_MAX));
        let opening = tokio_tungstenite::connect_async_with_config(request, Some(limits), true);
        let mut socket = match opening.await {
            Ok((socket, _answer)) => Self(socket),
            Err(Error::Http(answer)) => return Ok(refused(answer.status(), answer.headers())),
            Err(Error::Url(_)) => return Err(Ended::Request),
            Err(_) => return Ok(Opening::Unheard(Duration::ZERO)),
        };
        socket.say(&Said::hello(positions.clone())).await;
        Ok(Opening::Open(Line::Socket(Box::new(socket))))
    }

    pub(super) async fn say(&mut self, said: &Said) {
        let Ok(text) = serde_json::to_string(said) else {
            return;
        };
        let saying = self.0.send(Message::text(text));
        let _shown_later = tokio::time::timeout(SAY_MAX, saying).await;
    }

    pub(super) async fn next(&mut self) -> Result<String, Closing> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => return Ok(text.as_str().to_owned()),
                Some(Ok(Message::Close(frame))) => {
                    let code = frame.map(|frame| frame.code.into());
                    return Err(Closing { code, after: None });
                }
                Some(Ok(
                    Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_),
                )) => {}
                Some(Err(_)) | None => return Err(Closing::default()),
            }
        }
    }
}
