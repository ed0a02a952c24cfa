//! A service that says everything back on a WebSocket, and the gateway's clients that talk to it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use futures::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::server::{Request as Opening, Response as Opened};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::stage::SOON;

/// Where the gateway has the socket.
pub(crate) const PATH: &str = "/v1/notifications/ws";

/// What the service has seen of each opening.
pub(crate) type Seen = Arc<Mutex<Vec<HashMap<String, String>>>>;

/// A service that says everything back; `close` and `vanish` it does.
pub(crate) async fn echo() -> (Seen, String) {
    let seen = Seen::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/ws", listener.local_addr().unwrap());
    let noted = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(talk(stream, Arc::clone(&noted)));
        }
    });
    (seen, url)
}

async fn talk(stream: TcpStream, seen: Seen) {
    #[expect(clippy::result_large_err, reason = "the callback's type is given")]
    let note = |opening: &Opening, mut opened: Opened| {
        let headers = opening.headers().iter();
        let headers = headers.map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.to_string(), value)
        });
        seen.lock().unwrap().push(headers.collect());
        if let Some(offered) = opening.headers().get("sec-websocket-protocol") {
            let first = offered.to_str().unwrap().split(',').next().unwrap().trim();
            let chosen = first.parse().unwrap();
            opened
                .headers_mut()
                .insert("sec-websocket-protocol", chosen);
        }
        Ok(opened)
    };
    let Ok(mut socket) = tokio_tungstenite::accept_hdr_async(stream, note).await else {
        return;
    };
    while let Some(Ok(message)) = socket.next().await {
        let sent = match message {
            Message::Text(text) if text == "vanish" => return,
            Message::Text(text) if text == "close" => {
                let reason = "enough".into();
                let code = 4000.into();
                socket.close(Some(CloseFrame { code, reason })).await
            }
            Message::Text(_) | Message::Binary(_) => socket.send(message).await,
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => Ok(()),
        };
        if sent.is_err() {
            return;
        }
    }
}

pub(crate) type Socket = WebSocketStream<TcpStream>;

/// Opens a socket with these headers; the answer's headers with it.
pub(crate) async fn open(
    addr: SocketAddr,
    path: &str,
    headers: &[(&'static str, &str)],
) -> Result<(Socket, HashMap<String, String>), (u16, String)> {
    let mut request = format!("ws://{}{path}", addr)
        .into_client_request()
        .unwrap();
    for (name, value) in headers {
        request.headers_mut().append(*name, value.parse().unwrap());
    }
    let stream = TcpStream::connect(addr).await.unwrap();
    match tokio_tungstenite::client_async(request, stream).await {
        Ok((socket, answer)) => {
            let headers = answer.headers().iter();
            let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
            let headers = headers.map(|(name, value)| (name.to_string(), text(value.as_bytes())));
            Ok((socket, headers.collect()))
        }
        Err(Error::Http(answer)) => {
            let body = answer.body().clone().unwrap_or_default();
            let problem: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
            let reason = problem["reason"].as_str().unwrap_or_default().to_owned();
            Err((answer.status().as_u16(), reason))
        }
        Err(error) => panic!("no answer: {error}"),
    }
}

/// The code and the reason of the close, after whatever else is said.
pub(crate) async fn closed(socket: &mut Socket) -> (u16, String) {
    let close = async {
        loop {
            match socket.next().await {
                Some(Ok(Message::Close(Some(close)))) => {
                    return (u16::from(close.code), close.reason.to_string());
                }
                Some(Ok(_)) => {}
                other => panic!("no close: {other:?}"),
            }
        }
    };
    tokio::time::timeout(SOON, close).await.unwrap()
}

pub(crate) async fn said_back(socket: &mut Socket, text: &str) {
    socket.send(text.into()).await.unwrap();
    let back = socket.next().await.unwrap().unwrap();
    assert_eq!(back, Message::from(text));
}
