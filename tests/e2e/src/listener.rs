//! Somebody who listens on the gateway's WebSocket.

use std::collections::BTreeMap;

use futures::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::{WebSocketStream, client_async};
use tradepost_notifications::stream::{Position, Stream};
use tradepost_notifications::wire::{Notification, SUBPROTOCOL, Said, Told, Welcome};

use crate::SOON;

/// Somebody who listens, after the welcome.
#[derive(Debug)]
pub struct Listener {
    /// What they were welcomed with.
    pub welcome: Welcome,
    socket: WebSocketStream<TcpStream>,
}

impl Listener {
    /// Listens at the gateway at `address`, with what `positions` says already heard.
    ///
    /// # Panics
    /// If the gateway or the service refuses.
    pub(crate) async fn open(
        address: &str,
        credential: &str,
        positions: BTreeMap<Stream, Position>,
    ) -> Self {
        let uri = format!("ws://{address}/v1/notifications/ws");
        let request = ClientRequestBuilder::new(uri.parse().unwrap())
            .with_header("authorization", format!("Bearer {credential}"))
            .with_sub_protocol(SUBPROTOCOL);
        let stream = TcpStream::connect(address).await.unwrap();
        let (mut socket, answer) = client_async(request, stream).await.unwrap();
        assert_eq!(answer.headers()["sec-websocket-protocol"], SUBPROTOCOL);
        let hello = serde_json::to_string(&Said::Hello { positions }).unwrap();
        socket.send(hello.into()).await.unwrap();
        let Told::Welcome(welcome) = told(&mut socket).await else {
            panic!("the first message is no welcome");
        };
        Self { welcome, socket }
    }

    /// The next durable notification.
    ///
    /// # Panics
    /// If the connection ends first.
    pub async fn notification(&mut self) -> Notification {
        loop {
            if let Told::Notification(notification) = told(&mut self.socket).await {
                return *notification;
            }
        }
    }

    /// Where a reader stands who has all up to `seq`.
    #[must_use]
    pub fn position(&self, seq: u64) -> Position {
        Position {
            epoch: self.welcome.epoch.clone(),
            seq,
        }
    }
}

/// The next that is said.
async fn told(socket: &mut WebSocketStream<TcpStream>) -> Told {
    loop {
        let message = tokio::time::timeout(SOON, socket.next()).await;
        match message.expect("something is said in time") {
            Some(Ok(Message::Text(text))) => return Told::parse(&text).unwrap(),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            other => panic!("the connection ended: {other:?}"),
        }
    }
}
