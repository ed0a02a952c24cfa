//! A connection that becomes one of another protocol.

use axum::http::Response as HttpResponse;
use axum::http::header::UPGRADE;
use axum::routing::get;
use hyper_util::rt::TokioIo as Io;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, split};
use tokio::net::TcpListener;
use tradepost_telemetry::Registry;

use super::*;
use crate::config::LimitsConfig;
use crate::http::port::slots::Slots;

/// Upgrades, and then says what it is told.
async fn echo(mut request: Request) -> HttpResponse<Body> {
    let upgrade = hyper::upgrade::on(&mut request);
    #[expect(clippy::disallowed_methods, reason = "the test ends with the task")]
    tokio::spawn(async move {
        let (mut read, mut write) = split(Io::new(upgrade.await.unwrap()));
        copy(&mut read, &mut write).await.unwrap();
    });
    let answer = HttpResponse::builder().status(StatusCode::SWITCHING_PROTOCOLS);
    let answer = answer.header(CONNECTION, "upgrade").header(UPGRADE, "echo");
    answer.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn an_upgraded_connection_is_neither_read_as_http_nor_cut_and_keeps_its_place() {
    let metrics = Metrics::register(&Registry::new("gateway"));
    let slots = Slots::new(1, 1, metrics.clone());
    let limits = LimitsConfig {
        idle_ms: 1,
        head_read_ms: 1,
        write_ms: 1,
        ..LimitsConfig::default()
    };
    let line = Line {
        router: Router::new().route("/", get(echo)),
        certificate: None,
        patience: Patience::from(&limits),
        age_max: Duration::ZERO,
        close: CancellationToken::new(),
        metrics,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap());
    let (accepted, client) = tokio::join!(listener.accept(), client);
    let (stream, mut client) = (accepted.unwrap().0, client.unwrap());
    let peer = Peer::default();
    let slot = slots.take(peer.address, false).unwrap();
    let head = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";

    client.write_all(head).await.unwrap();
    // It ends with the upgrade: what serves the connection now is not this any more.
    line.serve(stream, peer, slot).await;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        client.read_buf(&mut answer).await.unwrap();
    }
    let mut said = [0; 9];
    client.write_all(b"\0 no\nHTTP").await.unwrap();
    client.read_exact(&mut said).await.unwrap();

    assert!(answer.starts_with(b"HTTP/1.1 101 "));
    assert_eq!(&said, b"\0 no\nHTTP");
    assert!(slots.take(peer.address, false).is_err());
}
