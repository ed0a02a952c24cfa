//! Clients that take their time.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tradepost_testkit::eventually;

use crate::stage::{SOON, Stage};

/// Sends one byte after the other until the connection ends; what came back.
async fn dripped(stage: &Stage, start: &str, byte: &[u8]) -> String {
    let mut stream = TcpStream::connect(stage.addr).await.unwrap();
    stream.write_all(start.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // Each byte comes in time; all of them would take minutes.
    loop {
        let _ = stream.write_all(byte).await;
        let read = timeout(Duration::from_millis(5), stream.read_buf(&mut answer)).await;
        if matches!(read, Ok(Ok(0) | Err(_))) {
            return String::from_utf8(answer).unwrap();
        }
    }
}

fn cut(reason: &str) -> String {
    format!("clients_cut_total{{reason=\"{reason}\"}} 1")
}

#[tokio::test]
async fn slowloris_in_the_head() {
    let stage = Stage::with(|config| config.limits.head_read_ms = 50).await;

    let answer = dripped(&stage, "GET / HTTP/1.1\r\nHost: x\r\nA: ", b"b").await;

    assert_eq!(answer, "");
    assert!(stage.counts(&cut("head")));
}

#[tokio::test]
async fn slowloris_in_the_second_head() {
    let stage = Stage::with(|config| config.limits.head_read_ms = 50).await;
    let start = "GET /v1/items/a HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nA: ";

    let answer = dripped(&stage, start, b"b").await;

    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(stage.counts(&cut("head")));
}

#[tokio::test]
async fn slowloris_in_the_body() {
    let stage = Stage::with(|config| {
        config.limits.body_grace_ms = 50;
        config.limits.body_bytes_per_second_min = 1_000_000;
    })
    .await;
    let head = "POST /v1/orders HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k\r\n\
                Content-Type: application/json\r\nContent-Length: 1000000\r\n\r\n";

    let answer = dripped(&stage, head, b" ").await;

    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("\"reason\":\"BODY_TOO_SLOW\""), "{answer}");
    assert!(stage.counts(&cut("body")));
}

#[tokio::test]
async fn a_connection_that_never_speaks() {
    let stage = Stage::with(|config| config.limits.first_byte_ms = 50).await;
    let mut stream = TcpStream::connect(stage.addr).await.unwrap();

    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
    assert!(stage.counts(&cut("first_byte")));
}

#[tokio::test]
async fn a_connection_that_speaks_no_more() {
    let stage = Stage::with(|config| config.limits.idle_ms = 50).await;

    let answer =
        crate::limits::said(stage.addr, "GET /v1/items/a HTTP/1.1\r\nHost: x\r\n\r\n").await;

    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(!answer.contains("connection: close"), "{answer}");
    assert!(
        !stage.counts("clients_cut_total{"),
        "to be idle is no fault"
    );
}

#[tokio::test]
async fn a_long_request_is_not_idle() {
    let stage = Stage::with(|config| config.limits.idle_ms = 20).await;
    stage.fake.close_gate();
    let open = async {
        eventually("it runs", SOON, async || {
            (stage.fake.calls() == 1).then_some(())
        })
        .await;
        // Another connection becomes idle after this one, and is cut meanwhile.
        let other = "GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n";
        crate::limits::said(stage.addr, other).await;
        stage.fake.gate.add_permits(1);
    };

    let (answer, ()) = tokio::join!(stage.get("/v1/items/a"), open);

    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_reader_that_does_not_read() {
    let stage = Stage::with(|config| config.limits.write_ms = 50).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 * 1024).unwrap();
    let mut stream = socket.connect(stage.addr).await.unwrap();
    // More than the buffers of both ends can hold.
    let get = "GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(get.repeat(16).as_bytes()).await.unwrap();

    eventually("it is cut", SOON, async || {
        stage.counts(&cut("write")).then_some(())
    })
    .await;
    eventually("its place is free", SOON, async || {
        stage.counts("connections_open 0").then_some(())
    })
    .await;
}
