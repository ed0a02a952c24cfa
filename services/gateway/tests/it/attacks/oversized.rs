//! More than there is room for.

use crate::limits::said;
use crate::stage::Stage;

async fn refused(bytes: &str, status: u16, reason: &str) {
    let stage = Stage::new().await;

    let answer = said(stage.addr, bytes).await;

    assert!(
        answer.starts_with(&format!("HTTP/1.1 {status} ")),
        "{answer}"
    );
    assert!(
        answer.contains("\r\ncontent-type: application/problem+json\r\n"),
        "{answer}"
    );
    assert!(
        answer.contains(&format!("\"reason\":\"{reason}\"")),
        "{answer}"
    );
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    assert_eq!(stage.fake.calls(), 0);
}

fn get(target: &str, headers: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: x\r\n{headers}\r\n")
}

#[tokio::test]
async fn a_head_that_is_too_large() {
    let whole = get("/", &format!("A: {}\r\n", "b".repeat(17 * 1024)));
    refused(&whole, 431, "HEAD_TOO_LARGE").await;
    // It is not waited for.
    let endless = format!("GET / HTTP/1.1\r\nA: {}", "b".repeat(100 * 1024));
    refused(&endless, 431, "HEAD_TOO_LARGE").await;
}

#[tokio::test]
async fn a_head_with_too_many_headers() {
    let stage = Stage::new().await;
    let most = format!("Connection: close\r\n{}", "A: b\r\n".repeat(98));

    let answer = said(stage.addr, &get("/v1/items/a", &most)).await;

    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    refused(&get("/", &"A: b\r\n".repeat(100)), 431, "HEAD_TOO_LARGE").await;
}

#[tokio::test]
async fn a_target_that_is_too_long() {
    let long = format!("/v1/items?sku_prefix={}", "a".repeat(8 * 1024));
    refused(&get(&long, ""), 414, "URI_TOO_LONG").await;
    refused(&"a".repeat(20_000), 414, "URI_TOO_LONG").await;
}

#[tokio::test]
async fn a_body_that_is_too_large() {
    let head = |length: usize| {
        format!(
            "POST /v1/orders HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    let announced = format!("{}{{", head(3 * 1024 * 1024));
    refused(&announced, 413, "BODY_TOO_LARGE").await;
    // Who sends all of it is answered as well.
    let sent = format!("{}{}", head(3 * 1024 * 1024), " ".repeat(3 * 1024 * 1024));
    refused(&sent, 413, "BODY_TOO_LARGE").await;
}
