//! Limits of the port, by a client that speaks for itself.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tradepost_gateway::config::GatewayConfig;
use tradepost_testkit::eventually;

use crate::stage::{SOON, Stage, an_order};

/// Sends an order of so many bytes in chunks; the answer's first line.
pub(crate) async fn chunked(addr: SocketAddr, bytes: usize) -> String {
    let stream = TcpStream::connect(addr).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let send = async {
        let head = "POST /v1/orders HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k\r\n\
                    Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
        write.write_all(head.as_bytes()).await?;
        let chunk = vec![b' '; 64 * 1024];
        let mut left = bytes;
        while left > 0 {
            let length = left.min(chunk.len());
            write
                .write_all(format!("{length:x}\r\n").as_bytes())
                .await?;
            write.write_all(&chunk[..length]).await?;
            write.write_all(b"\r\n").await?;
            left -= length;
        }
        write.write_all(b"0\r\n\r\n").await
    };
    let receive = async {
        let mut answer = vec![0; 1024];
        let length = read.read(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer[..length]).into_owned()
    };
    // The rest of a body that is too large may find the connection closed.
    let (_sent, answer) = tokio::join!(send, receive);
    answer.lines().next().unwrap_or_default().to_owned()
}

/// Sends bytes, then reads until the connection ends.
pub(crate) async fn said(addr: SocketAddr, bytes: &str) -> String {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_body_that_does_not_arrive_in_time_is_given_up() {
    let stage = Stage::with(|config| config.limits.body_read_ms = 50).await;
    let head = "POST /v1/orders HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k\r\n\
                Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{";

    let answer = said(stage.addr, head).await;

    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("BODY_TOO_SLOW"), "{answer}");
}

#[tokio::test]
async fn a_head_that_does_not_arrive_in_time_ends_the_connection() {
    let stage = Stage::with(|config| config.limits.head_read_ms = 50).await;

    let answer = said(stage.addr, "GET /v1/items HTTP/1.1\r\nHo").await;

    assert_eq!(answer, "");
}

/// Opens a connection that keeps its place.
async fn holding(stage: &Stage) -> TcpStream {
    let stream = TcpStream::connect(stage.addr).await.unwrap();
    eventually("it has its place", SOON, async || {
        stage.counts("connections_open 1").then_some(())
    })
    .await;
    stream
}

const GET: &str = "GET /v1/items/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn one_connection_too_many_is_told_to_come_back() {
    for (adjust, reason) in [
        (
            (|config| config.limits.connections_max = 1) as fn(&mut GatewayConfig),
            "total",
        ),
        (
            |config| config.limits.address_connections_max = 1,
            "address",
        ),
    ] {
        let stage = Stage::with(adjust).await;
        let first = holding(&stage).await;

        let refused = said(stage.addr, GET).await;
        drop(first);
        let taken = eventually("there is a place again", SOON, async || {
            let answer = said(stage.addr, GET).await;
            answer.starts_with("HTTP/1.1 200 ").then_some(answer)
        })
        .await;

        assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
        assert!(refused.contains("\r\nretry-after: 1\r\n"), "{refused}");
        assert!(refused.contains("\"reason\":\"OVERLOADED\""), "{refused}");
        assert!(taken.contains("A 1/2"));
        assert!(stage.counts(&format!(
            "connections_refused_total{{reason=\"{reason}\"}} "
        )));
    }
}

#[tokio::test]
async fn a_trusted_proxy_may_have_any_number_of_connections() {
    let stage = Stage::with(|config| {
        config.limits.address_connections_max = 1;
        config.proxies.trusted = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await;
    let _first = holding(&stage).await;

    let answer = said(stage.addr, GET).await;

    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn a_connection_ends_at_its_age_with_an_answer_that_says_so() {
    let stage = Stage::with(|config| config.limits.age_ms = 10).await;
    let mut stream = TcpStream::connect(stage.addr).await.unwrap();
    let get = "GET /v1/items/a HTTP/1.1\r\nHost: x\r\n\r\n";

    let mut answers = Vec::new();
    loop {
        // Behind an answer that says close there is only the end.
        let _ = stream.write_all(get.as_bytes()).await;
        let mut piece = [0; 4096];
        let length = stream.read(&mut piece).await.unwrap();
        if length == 0 {
            break;
        }
        answers.extend_from_slice(&piece[..length]);
        if answers
            .windows(17)
            .any(|bytes| bytes == b"connection: close")
        {
            break;
        }
    }

    assert!(String::from_utf8_lossy(&answers).contains("connection: close"));
}

#[tokio::test]
async fn one_request_too_many_is_refused_while_the_other_runs() {
    let stage = Stage::with(|config| config.server.calls_max = 1).await;
    stage.fake.close_gate();
    let other = async {
        eventually("the first runs", SOON, async || {
            (stage.fake.calls() == 1).then_some(())
        })
        .await;
        let answer = stage.get("/v1/items/a").await;
        stage.fake.gate.add_permits(1);
        answer
    };

    let order = an_order();
    let (first, other) = tokio::join!(stage.post("/v1/orders", &order), other);

    assert_eq!(first.status, 201);
    assert_eq!(other.faults(), (503, "OVERLOADED".to_owned(), vec![]));
    assert_eq!(other.header("retry-after"), Some("1"));
}

#[tokio::test]
async fn who_leaves_before_the_answer_is_counted_and_keeps_no_place() {
    let stage = Stage::with(|config| config.server.calls_max = 1).await;
    stage.fake.close_gate();
    let mut stream = TcpStream::connect(stage.addr).await.unwrap();
    let get = "GET /v1/items/a HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(get.as_bytes()).await.unwrap();
    eventually("it runs", SOON, async || {
        (stage.fake.calls() == 1).then_some(())
    })
    .await;

    drop(stream);

    let left = "http_requests_total{route=\"/v1/items/{sku}\",method=\"GET\",status=\"499\"} 1";
    eventually("it is counted", SOON, async || {
        stage
            .registry
            .render()
            .unwrap()
            .contains(left)
            .then_some(())
    })
    .await;
    // One for the call that was left, in case the service has not heard of it yet.
    stage.fake.gate.add_permits(2);
    assert_eq!(stage.get("/v1/items/a").await.status, 200);
}

/// As [`said`], with a pause behind so many bytes.
pub(crate) async fn said_in_two(addr: SocketAddr, bytes: &str, cut: usize) -> String {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (first, second) = bytes.split_at(cut);
    stream.write_all(first.as_bytes()).await.unwrap();
    tokio::task::yield_now().await;
    stream.write_all(second.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}
