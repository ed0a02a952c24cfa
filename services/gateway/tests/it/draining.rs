//! The end of the process: what was begun is finished.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tradepost_proto::order::v1::PlaceOrderRequest;
use tradepost_testkit::eventually;

use crate::stage::{SOON, Stage, an_order};

const CLIENTS: usize = 16;

#[tokio::test]
async fn requests_that_run_at_the_signal_are_answered() {
    let stage = Stage::new().await;
    stage.fake.close_gate();
    let order = an_order();
    let requests = join_all((0..CLIENTS).map(|_| stage.post("/v1/orders", &order)));
    let stop = async {
        eventually("all run", SOON, async || {
            (stage.fake.calls() == CLIENTS).then_some(())
        })
        .await;
        stage.shutdown.cancel();
        eventually("the port is closed", SOON, async || {
            TcpStream::connect(stage.addr).await.is_err().then_some(())
        })
        .await;
        stage.fake.gate.add_permits(CLIENTS);
    };

    let (answers, ()) = tokio::join!(requests, stop);

    for answer in answers {
        assert_eq!(answer.status, 201);
        assert_eq!(answer.header("connection"), Some("close"));
    }
    stage.served.await.unwrap().unwrap();
    stage.tasks.drained().await;
}

#[tokio::test]
async fn a_connection_that_never_speaks_does_not_hold_up_the_end() {
    let stage = Stage::new().await;
    let mut silent = TcpStream::connect(stage.addr).await.unwrap();
    eventually("it was taken", SOON, async || {
        (stage.tasks.running() == 1).then_some(())
    })
    .await;

    stage.shutdown.cancel();

    stage.served.await.unwrap().unwrap();
    stage.tasks.drained().await;
    assert_eq!(silent.read(&mut [0]).await.unwrap(), 0);
}

/// What a client has seen: the keys whose orders were answered, and how many connections broke
/// under a request.
#[derive(Default)]
struct Seen {
    answered: Vec<String>,
    broken: usize,
}

/// Places one order after another until the port is closed.
async fn shop(stage: Arc<Stage>, client: usize) -> Seen {
    let body = an_order().to_string();
    let mut seen = Seen::default();
    for connection in 0.. {
        let Ok(mut stream) = TcpStream::connect(stage.addr).await else {
            break;
        };
        let mut first = true;
        for order in 0.. {
            let key = format!("{client}-{connection}-{order}");
            let request = format!(
                "POST /v1/orders HTTP/1.1\r\nHost: x\r\nIdempotency-Key: {key}\r\n\
                 Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            let Some(answer) = exchange(&mut stream, &request).await else {
                // One that was never taken is reset by the kernel: it was not begun.
                seen.broken += usize::from(!first);
                break;
            };
            assert!(answer.starts_with("http/1.1 201 "), "{answer}");
            seen.answered.push(key);
            first = false;
            if answer.contains("connection: close") {
                break;
            }
        }
    }
    seen
}

/// The answer in lower case; `None` when the connection broke before it was complete.
async fn exchange(stream: &mut TcpStream, request: &str) -> Option<String> {
    stream.write_all(request.as_bytes()).await.ok()?;
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let length = stream
            .read(&mut buffer)
            .await
            .ok()
            .filter(|&length| length > 0)?;
        answer.extend_from_slice(&buffer[..length]);
        let text = String::from_utf8_lossy(&answer).to_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let (_, length) = head.split_once("content-length: ")?;
        let length: usize = length.lines().next()?.parse().ok()?;
        if body.len() >= length {
            return Some(text);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_nothing_is_dropped() {
    let stage = Arc::new(Stage::new().await);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| tokio::spawn(shop(Arc::clone(&stage), client)))
        .collect();
    eventually("all are at work", SOON, async || {
        (stage.fake.calls() > CLIENTS * 10).then_some(())
    })
    .await;

    stage.shutdown.cancel();

    let mut answered = BTreeSet::new();
    for client in clients {
        let seen = client.await.unwrap();
        assert_eq!(seen.broken, 0, "a connection ended that was not said to");
        answered.extend(seen.answered);
    }
    let placed = stage.fake.all::<PlaceOrderRequest>();
    let placed: BTreeSet<_> = placed.into_iter().map(|order| order.request_id).collect();
    assert_eq!(placed, answered, "every order that was placed was answered");
    stage.tasks.drained().await;
}
