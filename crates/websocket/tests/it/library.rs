//! Against a client that others wrote.

use futures::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};
use tradepost_websocket::{Class, End, Frame, Limits, Pushed, Receiver, Sender};

use crate::support::{LIMITS, heard, pair};

async fn connected(limits: Limits) -> (WebSocketStream<TcpStream>, Sender, Receiver) {
    let (client, server) = pair().await;
    let client = WebSocketStream::from_raw_socket(client, Role::Client, None).await;
    let (sender, receiver) = tradepost_websocket::server(server, bytes::Bytes::new(), limits);
    (client, sender, receiver)
}

#[tokio::test]
async fn messages_of_every_size_go_both_ways() {
    let limits = Limits {
        message_bytes: 1 << 20,
        queue_bytes: 1 << 21,
        ..LIMITS
    };
    let (mut client, sender, mut receiver) = connected(limits).await;
    let server = tokio::spawn(async move {
        loop {
            let text = receiver.next().await?;
            assert_eq!(
                sender.push(&Frame::text(text.as_bytes()), Class::Must),
                Pushed::Taken
            );
        }
        #[expect(unreachable_code, reason = "it names the type of the error")]
        Ok::<(), End>(())
    });

    for length in [0, 1, 125, 126, 1000, 65_535, 65_536, 1 << 20] {
        let text = "ä".repeat(length / 2);
        client.send(Message::text(text.clone())).await.unwrap();
        let echo = client.next().await.unwrap().unwrap();
        assert_eq!(echo, Message::text(text), "{length}");
    }
    client.close(None).await.unwrap();

    assert_eq!(server.await.unwrap(), Err(End::Closed { code: None }));
}

#[tokio::test]
async fn pings_go_both_ways() {
    let (mut client, sender, receiver) = connected(LIMITS).await;
    let heard = heard(receiver);

    client
        .send(Message::Ping("are you there".into()))
        .await
        .unwrap();
    let pong = client.next().await.unwrap().unwrap();
    assert_eq!(sender.push(&Frame::ping(), Class::Must), Pushed::Taken);
    let ping = client.next().await.unwrap().unwrap();
    client.close(None).await.unwrap();

    assert_eq!(pong, Message::Pong("are you there".into()));
    assert_eq!(ping, Message::Ping("".into()));
    assert_eq!(heard.await.unwrap(), (vec![], End::Closed { code: None }));
}

#[tokio::test]
async fn a_text_and_a_ping_in_one_write_are_two_messages() {
    let (mut client, sender, receiver) = connected(LIMITS).await;
    let heard = heard(receiver);
    let text = "a".repeat(200);

    let both = Frame::text_and_ping(text.as_bytes());
    assert_eq!(sender.push(&both, Class::Must), Pushed::Taken);
    let first = client.next().await.unwrap().unwrap();
    let second = client.next().await.unwrap().unwrap();
    client.close(None).await.unwrap();

    assert_eq!(first, Message::text(text));
    assert_eq!(second, Message::Ping("".into()));
    assert_eq!(heard.await.unwrap(), (vec![], End::Closed { code: None }));
}

#[tokio::test]
async fn a_close_says_its_code_and_reason() {
    let (mut client, sender, receiver) = connected(LIMITS).await;
    let heard = heard(receiver);

    sender.close(4408, "slow");
    let close = client.next().await.unwrap().unwrap();
    let after = client.next().await;

    let frame = CloseFrame {
        code: CloseCode::Library(4408),
        reason: "slow".into(),
    };
    assert_eq!(close, Message::Close(Some(frame)));
    assert!(after.is_none());
    drop(client);
    assert_eq!(heard.await.unwrap().1, End::Local);
}

#[tokio::test]
async fn a_breach_is_told_to_the_library_too() {
    let (mut client, _sender, receiver) = connected(LIMITS).await;
    let heard = heard(receiver);

    client.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    let close = client.next().await.unwrap().unwrap();

    let Message::Close(Some(frame)) = close else {
        panic!("{close}");
    };
    assert_eq!(frame.code, CloseCode::Unsupported);
    drop(client);
    assert_eq!(heard.await.unwrap().1, End::Fault { code: 1003 });
}
