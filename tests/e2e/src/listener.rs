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
    /// Listens at the gateway, or at a node, at `address`, with what `positions` says already heard.
    ///
    /// # Panics
    /// If it refuses.
    pub(crate) async fn open(
        address: &str,
        credential: &str,
        positions: BTreeMap<Stream, Position>,
    ) -> Self {
        let request = asking(address).with_header("authorization", format!("Bearer {credential}"));
        let mut socket = connect(address, request).await;
        say(&mut socket, &Said::hello(positions)).await;
        Self::welcomed(socket).await
    }

    /// Listens at the node at `address`, with the ticket in the first message.
    ///
    /// # Errors
    /// The code that it is closed with, if the ticket is not taken.
    pub async fn with_ticket(address: &str, ticket: &str) -> Result<Self, u16> {
        let mut socket = connect(address, asking(address)).await;
        let hello = Said::Hello {
            positions: BTreeMap::new(),
            token: None,
            ticket: Some(ticket.into()),
        };
        say(&mut socket, &hello).await;
        match heard(&mut socket).await {
            Ok(Told::Welcome(welcome)) => Ok(Self { welcome, socket }),
            Ok(other) => panic!("the first message is no welcome: {other:?}"),
            Err(code) => Err(code),
        }
    }

    async fn welcomed(mut socket: WebSocketStream<TcpStream>) -> Self {
        let Told::Welcome(welcome) = told(&mut socket).await else {
            panic!("the first message is no welcome");
        };
        Self { welcome, socket }
    }

    /// Shows a further token; until when the connection may stay.
    ///
    /// # Panics
    /// If it is not taken.
    pub async fn refresh(&mut self, token: &str) -> time::OffsetDateTime {
        let token = token.into();
        say(&mut self.socket, &Said::Refresh { token }).await;
        loop {
            if let Told::Refreshed(refreshed) = told(&mut self.socket).await {
                return refreshed.expires_at;
            }
        }
    }

    /// Waits for the end; the code that it comes with.
    pub async fn end(mut self) -> u16 {
        loop {
            if let Err(code) = heard(&mut self.socket).await {
                return code;
            }
        }
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

fn asking(address: &str) -> ClientRequestBuilder {
    let uri = format!("ws://{address}/v1/notifications/ws");
    ClientRequestBuilder::new(uri.parse().unwrap()).with_sub_protocol(SUBPROTOCOL)
}

async fn connect(address: &str, request: ClientRequestBuilder) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (socket, answer) = client_async(request, stream).await.unwrap();
    assert_eq!(answer.headers()["sec-websocket-protocol"], SUBPROTOCOL);
    socket
}

async fn say(socket: &mut WebSocketStream<TcpStream>, said: &Said) {
    let said = serde_json::to_string(said).unwrap();
    socket.send(said.into()).await.unwrap();
}

/// The next that is said.
async fn told(socket: &mut WebSocketStream<TcpStream>) -> Told {
    let heard = heard(socket).await;
    heard.unwrap_or_else(|code| panic!("the connection ended with {code}"))
}

/// The next that is said, or the code of the end.
async fn heard(socket: &mut WebSocketStream<TcpStream>) -> Result<Told, u16> {
    loop {
        let message = tokio::time::timeout(SOON, socket.next()).await;
        match message.expect("something is said in time") {
            Some(Ok(Message::Text(text))) => return Ok(Told::parse(&text).unwrap()),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Close(Some(frame)))) => return Err(frame.code.into()),
            other => panic!("the connection ended: {other:?}"),
        }
    }
}
