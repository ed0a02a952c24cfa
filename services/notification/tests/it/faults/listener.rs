//! A client of the live port that believes nothing: it writes down what it hears, and what is wrong
//! with it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{ClientRequestBuilder, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use tokio_util::sync::{CancellationToken, DropGuard};
use tradepost_notifications::stream::{Position, Stream};
use tradepost_notifications::wire::{Notification, SUBPROTOCOL, Said, Told, Welcome};
use tradepost_service::auth::Grant;
use tradepost_testkit::eventually;

use super::cluster::{Desk, LATE};

/// Between two tries to connect.
const PAUSE: Duration = Duration::from_millis(50);
/// How long the server may be silent, or take to answer.
const SILENCE_MAX: Duration = Duration::from_secs(3);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A client that comes back whatever happens, to one node after the other.
pub(super) struct Listener {
    log: Arc<Mutex<Log>>,
    _until: DropGuard,
}

#[derive(Default)]
struct Log {
    positions: BTreeMap<Stream, Position>,
    heard: BTreeMap<Stream, Vec<u64>>,
    faults: Vec<String>,
}

/// What is to be done with a connection.
enum Turn {
    Stay,
    Leave(Duration),
}

impl Listener {
    /// Returns once it was welcomed.
    #[expect(clippy::disallowed_methods, reason = "the task ends with the listener")]
    pub(super) async fn start(desk: Desk, user: String, turn: usize) -> Self {
        let (log, until) = (Arc::<Mutex<Log>>::default(), CancellationToken::new());
        let (token, writes) = (until.clone(), Arc::clone(&log));
        tokio::spawn(async move {
            token
                .run_until_cancelled(listen(desk, user, turn, writes))
                .await;
        });
        eventually("a welcome", LATE, async || {
            (!log.lock().unwrap().positions.is_empty()).then_some(())
        })
        .await;
        Self {
            log,
            _until: until.drop_guard(),
        }
    }

    /// The sequences that came, without repetitions.
    pub(super) fn heard(&self, stream: &Stream) -> Vec<u64> {
        let log = self.log.lock().unwrap();
        log.heard.get(stream).cloned().unwrap_or_default()
    }

    /// What must not have come.
    pub(super) fn faults(&self) -> Vec<String> {
        self.log.lock().unwrap().faults.clone()
    }
}

async fn listen(desk: Desk, user: String, mut turn: usize, log: Arc<Mutex<Log>>) {
    loop {
        let opened = tokio::time::timeout(SILENCE_MAX, open(&desk, &user, turn, &log)).await;
        let pause = match opened {
            Ok(Some(socket)) => follow(socket, &log).await,
            Ok(None) | Err(_) => PAUSE,
        };
        turn += 1;
        tokio::time::sleep(pause).await;
    }
}

async fn open(desk: &Desk, user: &str, turn: usize, log: &Mutex<Log>) -> Option<Socket> {
    let grant = Grant::of_service("notification", user, desk.tenant, &["notifications:read"]);
    let grant = Grant {
        customer: true,
        ..grant
    };
    let bearer = desk.trust.gateway().bearer(&grant).unwrap();
    let bearer = bearer.to_metadata().to_str().unwrap().to_owned();
    let uri = format!("ws://{}/", desk.address(turn).live)
        .parse()
        .unwrap();
    let request = ClientRequestBuilder::new(uri)
        .with_header("authorization", bearer)
        .with_sub_protocol(SUBPROTOCOL);
    let (mut socket, _answer) = connect_async(request.into_client_request().unwrap())
        .await
        .ok()?;
    let positions = log.lock().unwrap().positions.clone();
    let hello = serde_json::to_string(&Said::hello(positions)).unwrap();
    socket.send(Message::text(hello)).await.ok()?;
    Some(socket)
}

/// Reads until the connection ends; how long to stay away.
async fn follow(mut socket: Socket, log: &Mutex<Log>) -> Duration {
    loop {
        let Ok(Some(Ok(message))) = tokio::time::timeout(SILENCE_MAX, socket.next()).await else {
            return PAUSE;
        };
        let Message::Text(text) = message else {
            continue;
        };
        let told = Told::parse(&text).unwrap();
        if let Turn::Leave(pause) = log.lock().unwrap().hear(told) {
            return pause;
        }
    }
}

impl Log {
    fn hear(&mut self, told: Told) -> Turn {
        match told {
            Told::Welcome(welcome) => self.welcome(welcome),
            Told::Notification(notification) => self.notification(&notification),
            Told::Tops(places) => {
                let is_behind = |(stream, top): (&Stream, &u64)| self.seq(stream) < *top;
                if places.streams.iter().any(is_behind) {
                    return Turn::Leave(PAUSE);
                }
            }
            Told::Reconnect(when) => return Turn::Leave(Duration::from_millis(when.after_ms)),
            Told::Joined(joined) => self.faults.push(format!("joined {joined:?}")),
            Told::Left(left) => self.faults.push(format!("left {left:?}")),
            Told::Signal(_) | Told::Read(_) | Told::Pong | Told::Refreshed(_) => {}
        }
        Turn::Stay
    }

    fn welcome(&mut self, welcome: Welcome) {
        for (stream, start) in welcome.streams {
            let is_known = self.positions.contains_key(&stream);
            if is_known && start.recovered != Some(true) {
                let fault = format!(
                    "{stream} at {} is not recovered: {start:?}",
                    self.seq(&stream)
                );
                self.faults.push(fault);
            }
            if !is_known {
                let position = Position {
                    epoch: welcome.epoch.clone(),
                    seq: start.seq,
                };
                self.positions.insert(stream, position);
            }
        }
    }

    fn notification(&mut self, told: &Notification) {
        let last = self.seq(&told.stream);
        if told.seq <= last {
            return;
        }
        if told.seq != last + 1 {
            self.faults
                .push(format!("{} after {last}: {}", told.stream, told.seq));
        }
        if let Some(position) = self.positions.get_mut(&told.stream) {
            position.seq = told.seq;
        }
        self.heard
            .entry(told.stream.clone())
            .or_default()
            .push(told.seq);
    }

    fn seq(&self, stream: &Stream) -> u64 {
        self.positions
            .get(stream)
            .map_or(0, |position| position.seq)
    }
}
