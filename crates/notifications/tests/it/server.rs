//! A server in the test's hand, one request after the other.

use std::pin::pin;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tradepost_notifications::client::{Client, Ended, Options};
use tradepost_notifications::follow::Event;

/// Far above what anything takes.
const SOON: Duration = Duration::from_secs(60);

pub(crate) struct Server(TcpListener);

/// A request that waits for its answer.
pub(crate) struct Asked {
    head: String,
    stream: TcpStream,
}

/// An answer of events.
pub(crate) struct Events(TcpStream);

impl Server {
    pub(crate) async fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    /// Impatient, so that tests are quick.
    pub(crate) fn options(&self) -> Options {
        let address = self.0.local_addr().unwrap();
        Options {
            ack_every: None,
            back_off_first: Duration::from_millis(1),
            back_off_max: Duration::from_millis(5),
            ..Options::new(format!("ws://{address}/v1/notifications/ws"))
        }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.options(), || "Bearer token".to_owned())
    }

    /// The next request.
    pub(crate) async fn asked(&self) -> Asked {
        let asking = async {
            let (mut stream, _) = self.0.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let head = String::from_utf8(head).unwrap();
            Asked { head, stream }
        };
        let asked = tokio::time::timeout(SOON, asking).await;
        asked.expect("a request")
    }

    /// The next one, which is for a WebSocket.
    pub(crate) async fn asked_for_socket(&self) -> Asked {
        let asked = self.asked().await;
        assert_eq!(asked.path(), "/v1/notifications/ws");
        asked
    }

    /// The next one, which is for events.
    pub(crate) async fn asked_for_events(&self) -> Asked {
        let asked = self.asked().await;
        assert_eq!(asked.path(), "/v1/notifications/sse");
        asked
    }
}

impl Asked {
    fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let (_, value) = lines.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(value)
    }

    /// An answer that opens nothing.
    pub(crate) async fn refuse(mut self, status: &str) {
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        self.stream.write_all(answer.as_bytes()).await.unwrap();
    }

    pub(crate) async fn upgrade(mut self) -> WebSocketStream<TcpStream> {
        let key = self.header("sec-websocket-key").unwrap();
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: {}\r\n\
             Sec-WebSocket-Protocol: tradepost.notifications.v1\r\n\r\n",
            derive_accept_key(key.as_bytes())
        );
        self.stream.write_all(answer.as_bytes()).await.unwrap();
        WebSocketStream::from_raw_socket(self.stream, Role::Server, None).await
    }

    pub(crate) async fn events(mut self) -> Events {
        let answer = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n:\n\n";
        self.stream.write_all(answer.as_bytes()).await.unwrap();
        Events(self.stream)
    }
}

impl Events {
    pub(crate) async fn say(&mut self, message: &Value) {
        let kind = message["t"].as_str().unwrap();
        self.write(&format!("event: {kind}\nid: x\ndata: {message}\n\n"))
            .await;
    }

    /// The last event.
    pub(crate) async fn close(mut self, code: u16, retry_ms: u64) {
        let data = json!({"code": code, "reason": "why"});
        self.write(&format!(
            "retry: {retry_ms}\nevent: closed\ndata: {data}\n\n"
        ))
        .await;
    }

    async fn write(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }
}

pub(crate) fn welcome(seq: u64, recovered: Option<bool>) -> Value {
    let mut start = json!({"seq": seq, "read": 0});
    if let Some(recovered) = recovered {
        start["recovered"] = recovered.into();
    }
    json!({"t": "welcome", "epoch": "e1", "heartbeat_ms": 60_000, "streams": {"user": start}})
}

pub(crate) fn notification(seq: u64) -> Value {
    json!({"t": "notification", "stream": "user", "seq": seq, "id": "ntf_1",
        "time": "2026-01-02T03:04:05Z", "type": "note", "title": "t", "message": "", "data": {}})
}

/// Follows until the script is played: what was heard, and how it ended if it did.
pub(crate) async fn follow<T>(
    client: &mut Client,
    script: impl Future<Output = T>,
) -> (T, Vec<Event>, Option<Ended>) {
    let (mut heard, mut ended) = (Vec::new(), None);
    let mut script = pin!(script);
    loop {
        tokio::select! {
            played = &mut script => return (played, heard, ended),
            event = client.next(), if ended.is_none() => match event {
                Ok(event) => heard.push(event),
                Err(end) => ended = Some(end),
            },
        }
    }
}

/// The end, which comes soon.
pub(crate) async fn end(client: &mut Client) -> Ended {
    let ending = async {
        loop {
            if let Err(ended) = client.next().await {
                return ended;
            }
        }
    };
    tokio::time::timeout(SOON, ending).await.expect("an end")
}
