//! Server-sent events, straight from the node.

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tradepost_notification::config::{AccessConfig, LiveConfig};

use super::stage::{Stage, soon};
use crate::live::SOON;
use crate::live::desk::{own, until_connected};

const SSE: &str = "/v1/notifications/sse";

/// One event.
#[derive(Debug, Default)]
struct Event {
    kind: String,
    id: Option<String>,
    retry: Option<u64>,
    data: Value,
}

/// A client that reads an answer in chunks.
struct Reader {
    stream: BufReader<TcpStream>,
    text: String,
}

impl Reader {
    /// The status and the answer; for a refusal, its reason in the place of events.
    async fn get(stage: &Stage, path: &str, headers: &[(&str, &str)]) -> (u16, Self) {
        let mut stream = TcpStream::connect(stage.node.addr).await.unwrap();
        let lines = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"));
        let lines: String = lines.collect();
        let request = format!("GET {path} HTTP/1.1\r\nHost: node\r\n{lines}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut stream = BufReader::new(stream);
        let (mut head, mut line) = (String::new(), String::new());
        while line != "\r\n" {
            line.clear();
            assert!(stream.read_line(&mut line).await.unwrap() > 0, "{head}");
            head.push_str(&line.to_ascii_lowercase());
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        if status == 200 {
            assert!(head.contains("content-type: text/event-stream"), "{head}");
            assert!(head.contains("cache-control: no-store"), "{head}");
        }
        let text = String::new();
        (status, Self { stream, text })
    }

    async fn open(stage: &Stage, token: &str, after: Option<&str>) -> Self {
        let authorization = format!("Bearer {token}");
        let mut headers = vec![("authorization", authorization.as_str())];
        headers.extend(after.map(|id| ("last-event-id", id)));
        let (status, reader) = Self::get(stage, SSE, &headers).await;
        assert_eq!(status, 200);
        reader
    }

    /// The next event; none at the end.
    async fn next(&mut self) -> Option<Event> {
        let next = async {
            loop {
                if let Some((event, rest)) = self.text.split_once("\n\n") {
                    let (event, rest) = (event.to_owned(), rest.to_owned());
                    self.text = rest;
                    // What begins with a colon is a comment.
                    if event.starts_with(':') {
                        continue;
                    }
                    return Some(parse(&event));
                }
                let mut size = String::new();
                if self.stream.read_line(&mut size).await.unwrap_or(0) == 0 {
                    return None;
                }
                let size = usize::from_str_radix(size.trim(), 16).unwrap();
                let mut chunk = vec![0; size + 2];
                self.stream.read_exact(&mut chunk).await.unwrap();
                if size == 0 {
                    return None;
                }
                self.text
                    .push_str(std::str::from_utf8(&chunk[..size]).unwrap());
            }
        };
        tokio::time::timeout(SOON, next).await.expect("an event")
    }

    /// The next event of a kind.
    async fn of(&mut self, kind: &str) -> Event {
        loop {
            let event = self.next().await.expect("the stream goes on");
            if event.kind == kind {
                return event;
            }
        }
    }

    /// How it was ended.
    async fn closed(&mut self) -> (u64, u64) {
        let closed = self.of("closed").await;
        assert!(self.next().await.is_none(), "it is the last");
        (closed.data["code"].as_u64().unwrap(), closed.retry.unwrap())
    }
}

fn parse(text: &str) -> Event {
    let mut event = Event::default();
    for line in text.lines() {
        match line.split_once(": ").unwrap() {
            ("event", kind) => event.kind = kind.to_owned(),
            ("id", id) => event.id = Some(id.to_owned()),
            ("retry", ms) => event.retry = Some(ms.parse().unwrap()),
            ("data", json) => event.data = serde_json::from_str(json).unwrap(),
            (name, _) => panic!("a field {name}"),
        }
    }
    event
}

#[tokio::test]
async fn events_are_told_and_resumed_behind_the_last_one_heard() {
    let stage = Stage::new(AccessConfig::default()).await;
    stage.person("ada");
    let stream = own(&stage.desk.reader("ada"));
    let mut reader = Reader::open(&stage, "ada", None).await;
    let welcome = reader.of("welcome").await;
    assert_eq!(welcome.data["streams"]["user"]["seq"], 0);
    stage.desk.tell(&[&stage.node], &stream, "one");
    let one = reader.of("notification").await;
    assert_eq!(
        (one.data["t"].as_str(), one.data["seq"].as_u64()),
        (Some("notification"), Some(1))
    );

    drop(reader);
    until_connected(&stage.node, 0).await;
    stage.desk.tell(&[&stage.node], &stream, "two");
    let mut reader = Reader::open(&stage, "ada", one.id.as_deref()).await;

    let welcome = reader.of("welcome").await;
    assert_eq!(welcome.data["streams"]["user"]["recovered"], true);
    let two = reader.of("notification").await;
    assert_eq!(two.data["message"], "two");
    stage.desk.tell(&[&stage.node], &stream, "three");
    assert_eq!(reader.of("notification").await.data["seq"], 3);
}

#[tokio::test]
async fn events_end_as_a_socket_would() {
    let live = LiveConfig {
        drain_ms: 100,
        ..LiveConfig::default()
    };
    let stage = Stage::with(live, AccessConfig::default()).await;
    for name in ["ada", "bob"] {
        stage.person(name);
    }
    stage.token("short", "eve", soon());
    let mut ada = Reader::open(&stage, "ada", None).await;
    let mut bob = Reader::open(&stage, "bob", None).await;
    let mut eve = Reader::open(&stage, "short", None).await;
    bob.of("welcome").await;

    stage.gateway.revoke("user:ada", None);
    assert_eq!(ada.closed().await.0, 4403);
    assert_eq!(eve.closed().await.0, 4401);
    until_connected(&stage.node, 1).await;
    stage.node.shutdown.cancel();
    let (code, after_ms) = bob.closed().await;

    assert_eq!(code, 1012);
    assert!(after_ms <= 100, "as everybody else is told");
    until_connected(&stage.node, 0).await;
}

#[tokio::test]
async fn who_may_not_hear_events_is_told_why() {
    let stage = Stage::new(AccessConfig::default()).await;
    stage.person("ada");
    let bearer = ("authorization", "Bearer ada");

    for (path, headers, status) in [
        (SSE, &[][..], 401),
        (SSE, &[("authorization", "Bearer unknown")], 401),
        (SSE, &[bearer, ("last-event-id", "nonsense")], 400),
        ("/v1/notifications/sse?token=ada", &[bearer], 400),
        ("/v1/notifications/ws", &[bearer], 426),
    ] {
        let (answered, _) = Reader::get(&stage, path, headers).await;
        assert_eq!(answered, status, "{path} {headers:?}");
    }
    assert!(stage.node.hub.is_empty());
}

/// Nothing of it is read: the kernel's buffers fill, and then the queue.
#[tokio::test]
async fn who_takes_nothing_is_sent_away() {
    let live = LiveConfig {
        queue_bytes_max: 65_536,
        queue_messages_max: 16,
        ..LiveConfig::default()
    };
    let stage = Stage::with(live, AccessConfig::default()).await;
    stage.person("ada");
    let mut reader = Reader::open(&stage, "ada", None).await;
    reader.of("welcome").await;
    let stream = own(&stage.desk.reader("ada"));

    let message = "x".repeat(4_000);
    let mut told = 0_u64;
    while stage
        .node
        .hub
        .all()
        .iter()
        .any(|conn| conn.closed_with().is_none())
    {
        stage.desk.tell(&[&stage.node], &stream, &message);
        told += 1;
        assert!(told < 100_000, "nothing bounds what waits");
        tokio::task::yield_now().await;
    }

    until_connected(&stage.node, 0).await;
}
