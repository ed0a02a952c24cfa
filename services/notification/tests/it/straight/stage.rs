//! A node to which people come straight, and who they are.

use std::sync::Arc;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::Value;
use time::OffsetDateTime;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::Error;
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderValue};
use tokio_tungstenite::tungstenite::{ClientRequestBuilder, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use tradepost_notification::adapters::grpc::access::GatewayAccess;
use tradepost_notification::config::{AccessConfig, LiveConfig};
use tradepost_notification::live::Access;
use tradepost_notification::metrics::AccessMetrics;
use tradepost_proto::gateway::v1 as pb;
use tradepost_service::Clock;
use tradepost_service::client::{ClientOptions, channel};
use tradepost_testkit::eventually;

use super::gateway::{Gateway, Word, person, timestamp};
use crate::live::SOON;
use crate::live::desk::{Desk, Node, own};

pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;
/// Status, reason, and when to come back.
pub(super) type Refusal = (u16, String, Option<String>);

pub(super) const WS: &str = "/v1/notifications/ws";
pub(super) const SPOKEN: &str = "tradepost.notifications.v1";

pub(super) struct Stage {
    pub(super) desk: Desk,
    pub(super) node: Node,
    pub(super) gateway: Gateway,
}

impl Stage {
    pub(super) async fn new(access: AccessConfig) -> Self {
        Self::with(LiveConfig::default(), access).await
    }

    /// A node that has heard what is revoked. It waits for an answer longer than one does elsewhere:
    /// the machine may be busy.
    pub(super) async fn with(live: LiveConfig, config: AccessConfig) -> Self {
        let config = AccessConfig {
            deadline_ms: 30_000,
            ..config
        };
        let desk = Desk::new();
        let (gateway, addr) = Gateway::start().await;
        let channel = channel(&format!("http://{addr}"), &ClientOptions::default()).unwrap();
        let identity = desk.trust.believe("notification", &["access:admit"]);
        let deadline = Duration::from_millis(config.deadline_ms);
        let judge = GatewayAccess::new(channel, identity, "notification", deadline);
        let access = Access {
            config,
            judge: Arc::new(judge),
            metrics: AccessMetrics::default(),
        };
        let node = desk.node_with(live, Some(access)).await;
        let stage = Self {
            desk,
            node,
            gateway,
        };
        stage.until_followed().await;
        stage
    }

    /// Until somebody is let in who was never asked about before.
    async fn until_followed(&self) {
        let is_let_in = async || {
            // Not taken, but judged: nothing is left open, and nothing kept.
            let refused = self.bearer("nobody").await.unwrap_err();
            (refused.0 == 401).then_some(())
        };
        eventually("the feed is followed", SOON, is_let_in).await;
        self.gateway.0.asked.lock().unwrap().clear();
    }

    /// A person whose credentials are the token of their name, and who they are.
    pub(super) fn person(&self, user: &str) -> pb::AdmitResponse {
        let person = person(user, self.desk.tenant);
        self.gateway.say(user, Word::Yes(person.clone()));
        person
    }

    /// A token of a person that runs out then.
    pub(super) fn token(&self, token: &str, user: &str, expires_at: OffsetDateTime) {
        let person = pb::AdmitResponse {
            expire_time: Some(timestamp(expires_at)),
            ..person(user, self.desk.tenant)
        };
        self.gateway.say(token, Word::Yes(person));
    }

    pub(super) async fn open(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        protocols: &[&str],
    ) -> Result<(Socket, HeaderMap<HeaderValue>), Refusal> {
        let uri = format!("ws://{}{path}", self.node.addr).parse().unwrap();
        let mut builder = ClientRequestBuilder::new(uri);
        for (name, value) in headers {
            builder = builder.with_header(*name, *value);
        }
        for protocol in protocols {
            builder = builder.with_sub_protocol(*protocol);
        }
        match connect_async(builder.into_client_request().unwrap()).await {
            Ok((socket, answer)) => Ok((socket, answer.headers().clone())),
            Err(Error::Http(answer)) => {
                let body = answer.body().clone().unwrap_or_default();
                let body: Value = serde_json::from_slice(&body).unwrap_or_default();
                let reason = body["reason"].as_str().unwrap_or_default().to_owned();
                let after = answer.headers().get("retry-after");
                let after = after.map(|value| value.to_str().unwrap().to_owned());
                Err((answer.status().as_u16(), reason, after))
            }
            Err(error) => panic!("{error}"),
        }
    }

    pub(super) async fn bearer(&self, token: &str) -> Result<Socket, Refusal> {
        let authorization = format!("Bearer {token}");
        let opened = self
            .open(WS, &[("authorization", &authorization)], &[SPOKEN])
            .await;
        opened.map(|(socket, _)| socket)
    }

    /// A connection of who shows this token, after its welcome.
    pub(super) async fn welcomed(&self, token: &str) -> Socket {
        let mut socket = self.bearer(token).await.unwrap();
        say(&mut socket, r#"{"t":"hello"}"#).await;
        assert_eq!(heard(&mut socket).await["t"], "welcome");
        socket
    }

    /// Tells a person something, and that it arrives.
    pub(super) async fn reaches(&self, user: &str, socket: &mut Socket) {
        let stream = own(&self.desk.reader(user));
        self.desk.tell(&[&self.node], &stream, "still here");
        loop {
            let heard = heard(socket).await;
            if heard["t"] == "notification" {
                assert_eq!(heard["message"], "still here");
                return;
            }
        }
    }
}

pub(super) fn soon() -> OffsetDateTime {
    Clock::system().now() + Duration::from_secs(10)
}

pub(super) fn late() -> OffsetDateTime {
    Clock::system().now() + Duration::from_secs(3_600)
}

pub(super) async fn say(socket: &mut Socket, text: &str) {
    socket.send(Message::text(text)).await.unwrap();
}

/// The next message.
pub(super) async fn heard(socket: &mut Socket) -> Value {
    let next = async {
        loop {
            match socket.next().await.unwrap().unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Close(frame) => panic!("closed: {frame:?}"),
                Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    };
    tokio::time::timeout(SOON, next).await.expect("a message")
}

/// What it is closed with.
pub(super) async fn closed(socket: &mut Socket) -> Option<u16> {
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
