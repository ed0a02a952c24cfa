//! Pages of a browser that hear events straight from the node.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tradepost_notification::config::AccessConfig;

use super::gateway::{No, Word};
use super::stage::Stage;
use crate::live::SOON;

const PAGE: &str = "https://shop.example";

/// The head of an answer, in lower case.
async fn head(stage: &Stage, method: &str, path: &str, headers: &[(&str, &str)]) -> String {
    let mut stream = TcpStream::connect(stage.node.addr).await.unwrap();
    let lines = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"));
    let lines: String = lines.collect();
    let request = format!("{method} {path} HTTP/1.1\r\nHost: node\r\n{lines}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let read = async {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        String::from_utf8(head).unwrap().to_ascii_lowercase()
    };
    tokio::time::timeout(SOON, read).await.expect("an answer")
}

async fn events(stage: &Stage, token: &str) -> String {
    let token = format!("Bearer {token}");
    let headers = [("origin", PAGE), ("authorization", token.as_str())];
    head(stage, "GET", "/v1/notifications/sse", &headers).await
}

#[tokio::test]
async fn a_page_may_ask_hear_events_and_read_why_not() {
    let stage = Stage::new(AccessConfig::default()).await;
    stage.person("ada");

    let asks = [
        ("origin", PAGE),
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "authorization"),
    ];
    let preflight = head(&stage, "OPTIONS", "/v1/notifications/sse", &asks).await;
    for line in [
        "http/1.1 204",
        "access-control-allow-origin: https://shop.example\r\n",
        "access-control-allow-methods: get\r\n",
        "access-control-allow-headers: authorization, last-event-id, x-api-key\r\n",
        "vary: origin\r\n",
    ] {
        assert!(preflight.contains(line), "{line} not in {preflight}");
    }

    let allowed = "access-control-allow-origin: https://shop.example\r\n";
    let told = events(&stage, "ada").await;
    assert!(told.starts_with("http/1.1 200"), "{told}");
    assert!(told.contains(allowed), "{told}");
    let refused = events(&stage, "nobody").await;
    assert!(refused.starts_with("http/1.1 401"), "{refused}");
    assert!(refused.contains(allowed), "{refused}");
    assert!(
        refused.contains("access-control-expose-headers: retry-after\r\n"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_page_that_may_not_hear_is_told_no_more_than_that() {
    let stage = Stage::new(AccessConfig::default()).await;
    stage.gateway.say("ada", Word::No(No::ForeignPage));

    let refused = events(&stage, "ada").await;

    assert!(refused.starts_with("http/1.1 403"), "{refused}");
    assert!(
        !refused.contains("access-control-allow-origin"),
        "{refused}"
    );
    let asked = stage.gateway.0.asked.lock().unwrap();
    assert_eq!(asked[0].origin, PAGE);
}

#[tokio::test]
async fn nothing_else_is_for_pages_to_read() {
    let stage = Stage::new(AccessConfig::default()).await;
    stage.person("ada");

    let answer = head(&stage, "GET", "/v1/notifications/ws", &[("origin", PAGE)]).await;

    assert!(answer.starts_with("http/1.1 426"), "{answer}");
    assert!(!answer.contains("access-control"), "{answer}");
}
