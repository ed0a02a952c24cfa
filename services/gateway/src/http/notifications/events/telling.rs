//! From the service's socket to a client's events.

use std::time::Duration;

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tradepost_notifications::events::{COMMENT, Heard, Piece, closing};
use tradepost_notifications::wire::Said;
use tradepost_notifications::wire::close::{IDLE, SLOW};

use crate::config::SocketsConfig;
use crate::http::notifications::ending::{Coming, Ending, close, restart, return_after_ms};
use crate::http::notifications::places::Place;
use crate::metrics::Metrics;

/// How long a client may take to make room for a piece.
const ROOM_MAX: Duration = Duration::from_secs(10);
/// How long the close towards the service may take.
const CLOSE_MAX: Duration = Duration::from_secs(2);

/// A client that hears events, and the service's socket behind it.
pub(super) struct Telling {
    pub(super) upstream: WebSocketStream<TcpStream>,
    pub(super) to_client: mpsc::Sender<Bytes>,
    pub(super) heard: Heard,
    pub(super) limits: SocketsConfig,
    pub(super) metrics: Metrics,
    pub(super) _place: Place,
}

/// How it ends.
enum End {
    /// The client is told this.
    Said(CloseFrame),
    /// It comes back then: the service, or this process, goes.
    Return {
        /// From now.
        after_ms: u64,
    },
    /// The client has left.
    Left,
}

impl Telling {
    /// Tells events until one end or the credentials come to an end.
    pub(super) async fn run(mut self, mut ending: Ending) {
        let _open = self.metrics.socket();
        let end = tokio::select! {
            coming = ending.comes() => match coming {
                // The last event says when to come back: nothing is had by staying until then.
                Coming::Leave { after_ms } => End::Return { after_ms },
                Coming::End(close) => End::Said(close),
            },
            end = self.tell() => end,
        };
        let (code, last) = match end {
            End::Said(frame) => (Some(u16::from(frame.code)), Some(closed(&frame))),
            End::Return { after_ms } => {
                let code = u16::from(CloseCode::Restart);
                (Some(code), Some(closing(code, "restart", Some(after_ms))))
            }
            End::Left => (None, None),
        };
        self.metrics.socket_closed(code);
        if let Some(last) = last {
            self.pass_on(last).await;
        }
        // The body ends here, and with it the answer.
        drop(self.to_client);
        let _ = tokio::time::timeout(CLOSE_MAX, self.upstream.close(None)).await;
    }

    async fn tell(&mut self) -> End {
        let positions = self.heard.positions();
        let hello = serde_json::to_string(&Said::hello(positions)).unwrap_or_default();
        if self.upstream.send(hello.into()).await.is_err() {
            return End::Said(restart());
        }
        let idle = Duration::from_millis(self.limits.idle_ms);
        let mut comment = tokio::time::interval(Duration::from_millis(self.limits.ping_ms));
        let mut last_said = Instant::now();
        loop {
            let piece = tokio::select! {
                message = self.upstream.next() => match message {
                    Some(Ok(Message::Text(text))) => {
                        last_said = Instant::now();
                        match self.heard.piece(&text) {
                            Piece::Event(event) => event,
                            Piece::Return { after_ms } => return End::Return { after_ms },
                        }
                    }
                    Some(Ok(Message::Close(said))) => {
                        return End::Said(said.unwrap_or_else(restart));
                    }
                    // It has an end of its own: pings are answered below us.
                    Some(Ok(_)) => continue,
                    Some(Err(_)) | None => return End::Said(restart()),
                },
                _ = comment.tick() => COMMENT,
                () = self.to_client.closed() => return End::Left,
                () = tokio::time::sleep_until(last_said + idle) => {
                    return End::Said(close(IDLE, "idle"));
                }
            };
            if !self.pass_on(piece).await {
                return End::Said(close(SLOW, "too slow"));
            }
        }
    }

    /// Whether the client made room.
    async fn pass_on(&self, piece: Bytes) -> bool {
        let sent = tokio::time::timeout(ROOM_MAX, self.to_client.send(piece)).await;
        matches!(sent, Ok(Ok(())))
    }
}

/// The last event: why, and when to come back if everybody has to go.
fn closed(frame: &CloseFrame) -> Bytes {
    let code = u16::from(frame.code);
    match frame.code == CloseCode::Restart {
        true => closing(code, "restart", Some(return_after_ms())),
        false => closing(code, frame.reason.as_str(), None),
    }
}
