//! What is said on a socket, carried over unread: all but fresh credentials.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, Interval};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::Error;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tradepost_notifications::wire::close::{FAULT, IDLE, NOT_TEXT, PROTOCOL, TOO_LARGE};
use tradepost_notifications::wire::{Reconnect, Secret, Told};

use super::ending::{Coming, Ending, close, restart};
use super::places::Place;
use super::refresh;
use crate::config::SocketsConfig;
use crate::metrics::Metrics;
use crate::upstream::socket_limits;

/// How long either end may take to make room for a message.
const WRITE_MAX: Duration = Duration::from_secs(10);
/// How long a close may take.
const CLOSE_MAX: Duration = Duration::from_secs(2);
/// Messages may come in bursts of so many seconds' worth.
const BURST_SECONDS: u32 = 3;

/// Too many messages. (A node says 4429.)
const POLICY: u16 = 1008;

/// A socket of a client, and the service's behind it.
pub(super) struct Relay {
    pub(super) upstream: WebSocketStream<TcpStream>,
    pub(super) ending: Ending,
    pub(super) limits: SocketsConfig,
    pub(super) metrics: Metrics,
    pub(super) _place: Place,
}

/// How a socket ends.
enum End {
    /// One end is told this by us.
    Said(CloseFrame),
    /// The service has said this, or nothing.
    ByService(Option<CloseFrame>),
    /// The client has said this, or just left.
    ByClient(Option<CloseFrame>),
}

impl Relay {
    /// Carries messages over until one end or the credentials come to an end.
    pub(super) async fn run(self, upgraded: Upgraded) {
        let _open = self.metrics.socket();
        let io = TokioIo::new(upgraded);
        let mut client =
            WebSocketStream::from_raw_socket(io, Role::Server, Some(socket_limits())).await;
        let (mut upstream, mut ending) = (self.upstream, self.ending);
        let mut flow = Flow::new(&self.limits);
        let end = loop {
            // Dropping a write that waits leaves its rest in the buffer: what we say comes behind it.
            let carried = tokio::select! {
                coming = ending.comes() => match coming {
                    Coming::Leave { after_ms } => Carried::Leave { after_ms },
                    Coming::End(close) => Carried::End(End::Said(close)),
                },
                carried = flow.carry(&mut client, &mut upstream) => carried,
            };
            match carried {
                Carried::End(end) => break end,
                Carried::Leave { after_ms } => {
                    if !send(&mut client, leave(after_ms)).await {
                        break End::ByClient(None);
                    }
                }
                Carried::Refresh(token) => match ending.refresh(token.expose()).await {
                    Ok(expires_at) if send(&mut client, refresh::done(expires_at)).await => {}
                    Ok(_) => break End::ByClient(None),
                    Err(close) => break End::Said(close),
                },
            }
        };
        let (to_client, to_service) = match end {
            End::Said(close) => (Some(close.clone()), Some(close)),
            End::ByService(said) => (Some(said.unwrap_or_else(restart)), None),
            End::ByClient(said) => (None, said),
        };
        let code = to_client.as_ref().map(|close| u16::from(close.code));
        self.metrics.socket_closed(code);
        // Whoever does not take part in the close is left.
        let closing = async {
            let _ = tokio::join!(client.close(to_client), upstream.close(to_service));
        };
        let _ = tokio::time::timeout(CLOSE_MAX, closing).await;
    }
}

/// What one client may send.
struct Pace {
    per_second: u32,
    left: u32,
    since: Instant,
}

impl Pace {
    fn new(per_second: u32) -> Self {
        Self {
            per_second,
            left: per_second.saturating_mul(BURST_SECONDS),
            since: Instant::now(),
        }
    }

    /// Whether one more message is within.
    fn allows(&mut self) -> bool {
        let seconds = u32::try_from(self.since.elapsed().as_secs()).unwrap_or(u32::MAX);
        if seconds > 0 {
            let most = self.per_second.saturating_mul(BURST_SECONDS);
            let earned = self.per_second.saturating_mul(seconds);
            self.left = self.left.saturating_add(earned).min(most);
            self.since = Instant::now();
        }
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}

/// Why nothing is carried over at the moment.
enum Carried {
    End(End),
    /// The client is to leave.
    Leave {
        /// After so long.
        after_ms: u64,
    },
    /// The client has shown this token.
    Refresh(Secret),
}

/// What is known of the messages so far.
struct Flow {
    idle: Duration,
    ping: Interval,
    pace: Pace,
    last_said: Instant,
    is_asked: bool,
}

impl Flow {
    fn new(limits: &SocketsConfig) -> Self {
        let ping = Duration::from_millis(limits.ping_ms);
        Self {
            idle: Duration::from_millis(limits.idle_ms),
            ping: tokio::time::interval_at(Instant::now() + ping, ping),
            pace: Pace::new(limits.messages_per_second),
            last_said: Instant::now(),
            is_asked: false,
        }
    }

    async fn carry<C, S>(
        &mut self,
        client: &mut WebSocketStream<C>,
        service: &mut WebSocketStream<S>,
    ) -> Carried
    where
        C: AsyncRead + AsyncWrite + Unpin,
        S: AsyncRead + AsyncWrite + Unpin,
    {
        loop {
            let end = tokio::select! {
                message = client.next() => {
                    self.is_asked = false;
                    match self.hear_client(message, service).await {
                        Ok(None) => continue,
                        Ok(Some(token)) => return Carried::Refresh(token),
                        Err(end) => end,
                    }
                }
                message = service.next() => match self.hear_service(message, client).await {
                    Ok(()) => continue,
                    Err(end) => end,
                },
                _ = self.ping.tick() => {
                    // It had from the last ping to this one to say something.
                    if !self.is_asked && send(client, Message::Ping(Bytes::new())).await {
                        self.is_asked = true;
                        continue;
                    }
                    End::ByClient(None)
                }
                () = tokio::time::sleep_until(self.last_said + self.idle) => {
                    End::Said(close(IDLE, "idle"))
                }
            };
            return Carried::End(end);
        }
    }

    /// Carries a message over, unless it is the gateway's own.
    async fn hear_client<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        message: Option<Result<Message, Error>>,
        service: &mut WebSocketStream<S>,
    ) -> Result<Option<Secret>, End> {
        match message {
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(None),
            Some(Ok(Message::Close(said))) => Err(End::ByClient(said)),
            Some(Ok(message)) if self.pace.allows() => {
                self.last_said = Instant::now();
                match refresh::token(&message) {
                    Ok(None) if send(service, message).await => Ok(None),
                    Ok(None) => Err(End::ByService(None)),
                    Ok(token) => Ok(token),
                    Err(close) => Err(End::Said(close)),
                }
            }
            Some(Ok(_over)) => Err(End::Said(close(POLICY, "too many messages"))),
            Some(Err(error)) => Err(broken(&error)),
            None => Err(End::ByClient(None)),
        }
    }

    async fn hear_service<C: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        message: Option<Result<Message, Error>>,
        client: &mut WebSocketStream<C>,
    ) -> Result<(), End> {
        match message {
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(()),
            Some(Ok(Message::Close(said))) => Err(End::ByService(said)),
            Some(Ok(message)) => {
                self.last_said = Instant::now();
                match send(client, message).await {
                    true => Ok(()),
                    false => Err(End::ByClient(None)),
                }
            }
            Some(Err(Error::Capacity(_))) => {
                let reason = "a message of the service is too large";
                Err(End::Said(close(FAULT, reason)))
            }
            Some(Err(_)) | None => Err(End::ByService(None)),
        }
    }
}

/// When to leave, as a node says it; until then all goes on.
fn leave(after_ms: u64) -> Message {
    let told = Told::Reconnect(Reconnect { after_ms }).text();
    Message::text(String::from_utf8_lossy(&told).into_owned())
}

/// Whether the message was taken.
async fn send<T: AsyncRead + AsyncWrite + Unpin>(
    to: &mut WebSocketStream<T>,
    message: Message,
) -> bool {
    let sent = tokio::time::timeout(WRITE_MAX, to.send(message)).await;
    matches!(sent, Ok(Ok(())))
}

fn broken(error: &Error) -> End {
    match error {
        Error::Capacity(_) => End::Said(close(TOO_LARGE, "a message is larger than 64 KiB")),
        Error::Utf8(_) => End::Said(close(NOT_TEXT, "a text is no UTF-8")),
        Error::Protocol(_) => End::Said(close(PROTOCOL, "that is not how a WebSocket speaks")),
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Io(_)
        | Error::Tls(_)
        | Error::WriteBufferFull(_)
        | Error::AttackAttempt
        | Error::Url(_)
        | Error::Http(_)
        | Error::HttpFormat(_) => End::ByClient(None),
    }
}
