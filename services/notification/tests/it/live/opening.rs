//! Who is let in, and how long they may stay.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::Error;
use tokio_tungstenite::tungstenite::{ClientRequestBuilder, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use tradepost_notification::config::LiveConfig;
use tradepost_notifications::wire::{SUBPROTOCOL, close};

use super::SOON;
use super::desk::{Desk, Node, event, opened, own, until_connected};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

const READ: &[&str] = &["notifications:read"];

/// Opens a socket, or says with which status and reason it was refused.
async fn open(
    node: &Node,
    credentials: Option<String>,
    protocol: Option<&str>,
) -> Result<Socket, (u16, String, Option<String>)> {
    let uri = format!("ws://{}/", node.addr).parse().unwrap();
    let mut builder = ClientRequestBuilder::new(uri);
    if let Some(credentials) = credentials {
        builder = builder.with_header("authorization", credentials);
    }
    if let Some(protocol) = protocol {
        builder = builder.with_sub_protocol(protocol);
    }
    match connect_async(builder.into_client_request().unwrap()).await {
        Ok((socket, _answer)) => Ok(socket),
        Err(Error::Http(answer)) => {
            let body = answer.body().clone().unwrap_or_default();
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
            let reason = body["reason"].as_str().unwrap_or_default().to_owned();
            let after = answer.headers().get("retry-after");
            let after = after.map(|value| value.to_str().unwrap().to_owned());
            Err((answer.status().as_u16(), reason, after))
        }
        Err(error) => panic!("{error}"),
    }
}

/// What it is closed with, soon.
async fn closed(socket: &mut Socket) -> Option<u16> {
    let close = async {
        loop {
            match socket.next().await {
                Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code.into()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    };
    tokio::time::timeout(SOON, close)
        .await
        .expect("it is closed")
}

async fn say(socket: &mut Socket, text: &str) {
    socket.send(Message::text(text)).await.unwrap();
}

#[tokio::test]
async fn only_who_may_read_is_let_in() {
    let desk = Desk::new();
    let node = desk.node(LiveConfig::default()).await;
    let good = || Some(desk.credentials("ada", READ));
    let send = desk.credentials("ada", &["notifications:send"]);

    for (credentials, protocol, refusal) in [
        (None, None, (401, "UNAUTHENTICATED")),
        (
            Some("Bearer nonsense".to_owned()),
            None,
            (401, "UNAUTHENTICATED"),
        ),
        (Some(send), None, (403, "PERMISSION_DENIED")),
        (good(), Some("another.v1"), (400, "SUBPROTOCOL_UNKNOWN")),
    ] {
        let (status, reason, _) = open(&node, credentials, protocol).await.unwrap_err();
        assert_eq!((status, reason.as_str()), refusal);
    }
    assert!(open(&node, good(), None).await.is_ok());
    assert!(open(&node, good(), Some(SUBPROTOCOL)).await.is_ok());
}

#[tokio::test]
async fn a_full_node_says_when_to_come_back() {
    let desk = Desk::new();
    let config = LiveConfig {
        connections_max: 1,
        ..LiveConfig::default()
    };
    let node = desk.node(config).await;
    let mut client = desk.client(&node, "ada");
    opened(&mut client).await;

    let refused = open(&node, Some(desk.credentials("bob", READ)), None).await;

    let (status, reason, after) = refused.unwrap_err();
    assert_eq!((status, reason.as_str()), (503, "NODE_FULL"));
    assert_eq!(after.as_deref(), Some("5"));
    drop(client);
    until_connected(&node, 0).await;
    let mut bob = desk.client(&node, "bob");
    opened(&mut bob).await;
}

#[tokio::test]
async fn what_is_no_protocol_is_closed_for_good() {
    let desk = Desk::new();
    let node = desk.node(LiveConfig::default()).await;
    let hello = r#"{"t":"hello"}"#;
    for texts in [
        &["nonsense"][..],
        &[r#"{"t":"ping"}"#],
        &[hello, hello],
        &[hello, "{}"],
        &[r#"{"t":"hello","positions":{"group:Not A Name":{"epoch":"one","seq":1}}}"#],
    ] {
        let credentials = Some(desk.credentials("ada", READ));
        let mut socket = open(&node, credentials, Some(SUBPROTOCOL)).await.unwrap();
        for text in texts {
            say(&mut socket, text).await;
        }
        assert_eq!(
            closed(&mut socket).await,
            Some(close::UNSPOKEN),
            "{texts:?}"
        );
    }
    until_connected(&node, 0).await;
}

#[tokio::test]
async fn who_says_nothing_too_much_or_lives_no_more_is_sent_away() {
    let desk = Desk::new();
    // A node for each, so that none has to be in time.
    let socket = async |config: LiveConfig| {
        let credentials = Some(desk.credentials("ada", READ));
        let node = desk.node(config).await;
        let socket = open(&node, credentials, Some(SUBPROTOCOL)).await.unwrap();
        (socket, node)
    };

    let hasty = LiveConfig {
        hello_ms: 100,
        ..LiveConfig::default()
    };
    let (mut silent, _node) = socket(hasty).await;
    assert_eq!(closed(&mut silent).await, Some(close::IDLE));

    let strict = LiveConfig {
        messages_per_second: 1,
        ..LiveConfig::default()
    };
    let (mut loud, _node) = socket(strict).await;
    say(&mut loud, r#"{"t":"hello"}"#).await;
    for _ in 0..10 {
        // It may be closed already.
        let _late = loud.send(Message::text(r#"{"t":"ping"}"#)).await;
    }
    assert_eq!(closed(&mut loud).await, Some(close::TOO_MANY));

    let nervous = LiveConfig {
        heartbeat_ms: 100,
        ..LiveConfig::default()
    };
    let (mut dead, node) = socket(nervous).await;
    say(&mut dead, r#"{"t":"hello"}"#).await;
    assert!(dead.next().await.unwrap().unwrap().is_text());
    // Nobody reads it any more, so nobody answers its pings.
    until_connected(&node, 0).await;
}

#[tokio::test]
async fn the_oldest_of_too_many_of_one_person_is_told_so() {
    let desk = Desk::new();
    let config = LiveConfig {
        user_connections_max: 1,
        ..LiveConfig::default()
    };
    let node = desk.node(config).await;
    let mut old = desk.client(&node, "ada");
    opened(&mut old).await;
    let mut new = desk.client(&node, "ada");
    opened(&mut new).await;

    let ended = tokio::time::timeout(SOON, old.next()).await.unwrap();

    let replaced = tradepost_notifications::client::Ended::Closed(close::REPLACED);
    assert_eq!(ended.unwrap_err(), replaced);
    desk.tell(&[&node], &own(&desk.reader("ada")), "");
    event(&mut new).await;
}

#[tokio::test]
async fn who_reads_too_slowly_is_sent_away_and_resumes() {
    let desk = Desk::new();
    let node = desk.node(LiveConfig {
        queue_bytes_max: 65_536,
        queue_messages_max: 16,
        ..LiveConfig::default()
    });
    let node = node.await;
    let stream = own(&desk.reader("ada"));
    let credentials = Some(desk.credentials("ada", READ));
    let mut socket = open(&node, credentials, Some(SUBPROTOCOL)).await.unwrap();
    say(&mut socket, r#"{"t":"hello"}"#).await;
    socket.next().await.unwrap().unwrap();

    // Until the kernel's buffers at both ends are full, and the queue behind them.
    let message = "x".repeat(4_000);
    let mut told = 0_u64;
    while node
        .hub
        .all()
        .iter()
        .any(|conn| conn.closed_with().is_none())
    {
        desk.tell(&[&node], &stream, &message);
        told += 1;
        assert!(told < 100_000, "nothing bounds what waits");
    }

    // It has what it was given before, without a gap, and then the reason.
    let mut had = 0;
    let code = loop {
        match tokio::time::timeout(Duration::from_secs(30), socket.next()).await {
            Ok(Some(Ok(Message::Text(text)))) => {
                let text: serde_json::Value = serde_json::from_str(&text).unwrap();
                assert_eq!(text["seq"].as_u64(), Some(had + 1));
                had += 1;
            }
            Ok(Some(Ok(Message::Close(frame)))) => break frame.map(|frame| frame.code.into()),
            Ok(Some(Ok(_))) => {}
            Ok(Some(Err(_)) | None) | Err(_) => break None,
        }
    };
    assert!(code.is_none() || code == Some(close::SLOW), "{code:?}");
    assert!(had < told);
}

/// Says hello, does something, and hears everything up to the close.
pub(super) async fn hear_until_closed(
    desk: &Desk,
    node: &Node,
    then: impl FnOnce(),
) -> (Vec<serde_json::Value>, Option<u16>) {
    let credentials = Some(desk.credentials("ada", READ));
    let mut socket = open(node, credentials, Some(SUBPROTOCOL)).await.unwrap();
    say(&mut socket, r#"{"t":"hello"}"#).await;
    let (mut heard, mut then) = (Vec::new(), Some(then));
    loop {
        let next = tokio::time::timeout(SOON, socket.next()).await;
        match next.expect("it is closed") {
            Some(Ok(Message::Text(text))) => {
                heard.push(serde_json::from_str(&text).unwrap());
                if let Some(then) = then.take() {
                    then();
                }
            }
            Some(Ok(Message::Close(frame))) => {
                return (heard, frame.map(|frame| frame.code.into()));
            }
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return (heard, None),
        }
    }
}
