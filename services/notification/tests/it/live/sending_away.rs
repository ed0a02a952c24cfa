//! A node that goes.

use std::time::{Duration, Instant};

use futures::future::join_all;
use futures::{SinkExt, StreamExt};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tradepost_notification::config::LiveConfig;
use tradepost_notifications::client::{Client, Options};
use tradepost_notifications::wire::{SUBPROTOCOL, close};

use super::SOON;
use super::desk::{Desk, event, opened, own, seq};

#[tokio::test]
async fn a_node_that_goes_sends_everybody_to_another_and_nothing_is_missed() {
    let desk = Desk::new();
    let config = LiveConfig {
        drain_ms: 500,
        ..LiveConfig::default()
    };
    let (old, new) = tokio::join!(desk.node(config.clone()), desk.node(config));
    let users: Vec<_> = (0..20).map(|number| format!("user-{number}")).collect();
    let mut clients: Vec<_> = users.iter().map(|user| desk.client(&old, user)).collect();
    join_all(clients.iter_mut().map(opened)).await;
    let tell_all = || {
        for user in &users {
            desk.tell(&[&old, &new], &own(&desk.reader(user)), "");
        }
    };
    tell_all();
    assert_eq!(join_all(clients.iter_mut().map(seq)).await, vec![1; 20]);

    old.shutdown.cancel();
    tell_all();
    // They are away by themselves, or were closed: where they stand goes with them.
    tokio::time::timeout(SOON, old.tasks.drained())
        .await
        .unwrap();
    assert!(old.hub.is_empty());
    tell_all();

    let moved = users.iter().zip(clients);
    let mut clients: Vec<_> = moved
        .map(|(user, client)| {
            desk.client(&new, user)
                .standing_at(client.positions().clone())
        })
        .collect();
    assert_eq!(join_all(clients.iter_mut().map(seq)).await, vec![2; 20]);
    assert_eq!(join_all(clients.iter_mut().map(seq)).await, vec![3; 20]);
}

#[tokio::test]
async fn a_client_is_told_when_to_come_back_before_it_is_closed() {
    let desk = Desk::new();
    let config = LiveConfig {
        drain_ms: 300,
        ..LiveConfig::default()
    };
    let node = desk.node(config).await;
    let heard = super::opening::hear_until_closed(&desk, &node, || node.shutdown.cancel()).await;

    let [welcome, reconnect] = &heard.0[..] else {
        panic!("{heard:?}");
    };
    assert_eq!(welcome["t"], "welcome");
    assert_eq!(reconnect["t"], "reconnect");
    assert!(reconnect["after_ms"].as_u64().unwrap() <= 300);
    assert_eq!(heard.1, Some(1012));
}

/// A connection of a client, after its hello.
async fn welcomed(listener: &TcpListener) -> WebSocketStream<TcpStream> {
    let (stream, _) = listener.accept().await.unwrap();
    #[expect(clippy::result_large_err, reason = "the callback's type is given")]
    let choose = |_: &Request, mut opened: Response| {
        let headers = opened.headers_mut();
        headers.insert("sec-websocket-protocol", SUBPROTOCOL.parse().unwrap());
        Ok(opened)
    };
    let socket = tokio_tungstenite::accept_hdr_async(stream, choose).await;
    let mut socket = socket.unwrap();
    socket.next().await.unwrap().unwrap();
    let welcome = json!({"t": "welcome", "epoch": "e1", "heartbeat_ms": 25_000, "streams": {}});
    socket.send(welcome.to_string().into()).await.unwrap();
    socket
}

const MOMENT_MS: u64 = 700;

#[tokio::test]
async fn a_client_whose_node_dies_before_the_moment_it_named_keeps_to_the_moment() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let mut client = Client::new(Options::new(url), || "Bearer token".to_owned());
    let node = async {
        let mut socket = welcomed(&listener).await;
        let told = Instant::now();
        let reconnect = json!({"t": "reconnect", "after_ms": MOMENT_MS});
        socket.send(reconnect.to_string().into()).await.unwrap();
        let restart = CloseFrame {
            code: close::RESTART.into(),
            reason: "restart".into(),
        };
        socket.close(Some(restart)).await.unwrap();
        let _again = welcomed(&listener).await;
        told.elapsed()
    };

    let back_after = tokio::select! {
        back_after = node => back_after,
        () = async { loop { event(&mut client).await; } } => unreachable!("it follows for ever"),
    };

    assert!(
        back_after >= Duration::from_millis(MOMENT_MS),
        "{back_after:?}"
    );
}
