//! A client that follows the protocol: it comes back when it is cut off, with patience where
//! patience is due, resumes where it stood, and gives each notification once and in order. Where
//! no WebSocket passes it goes on over server-sent events.

mod credentials;
mod line;
mod patience;
mod way;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::follow::{Event, Follower, Turn};
use crate::stream::{Position, Stream};
use crate::wire::{Said, Told, close};
pub use credentials::Credentials;
use credentials::Refreshing;
use line::{Closing, Line, Opening};
use patience::Patience;
pub use way::Way;
use way::Ways;

/// Until the server has said how often it gives a sign of life.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// How long a welcome may take: nothing that the server has said bounds it.
const WELCOME_MAX: Duration = Duration::from_secs(15);
/// The status of credentials that are not taken.
const UNTAKEN: u16 = 401;

/// How a client behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// `ws://host:port/path`.
    pub url: String,
    /// Where the same is told as server-sent events, `http://host:port/path`; if none, a client
    /// keeps to its WebSocket.
    pub events_url: Option<String>,
    /// How often the server is told what is had, so that it can measure; never, if none.
    pub ack_every: Option<Duration>,
    /// The most it waits before it tries for the first time again; doubled each time.
    pub back_off_first: Duration,
    /// The most it ever waits.
    pub back_off_max: Duration,
}

impl Options {
    /// The usual behaviour. Beside a path that ends in `/ws` events are at `/sse`.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        let url = url.into();
        let place = url.strip_prefix("ws://");
        let place = place.and_then(|place| place.strip_suffix("/ws"));
        Self {
            events_url: place.map(|place| format!("http://{place}/sse")),
            url,
            ack_every: Some(Duration::from_secs(1)),
            back_off_first: Duration::from_millis(500),
            back_off_max: Duration::from_secs(30),
        }
    }
}

/// Why a client does not come back by itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// The connection was refused, and would be again.
    #[error("refused with status {0}")]
    Refused(u16),
    /// It was closed for good: 4403 the credentials were revoked, 4501 this is not the protocol,
    /// 4503 the person has too many connections.
    #[error("closed with code {0}")]
    Closed(u16),
    /// The address, or the value of a header, is none.
    #[error("the request cannot be made")]
    Request,
}

/// A client. It lives while [`Client::next`] is called.
pub struct Client {
    options: Options,
    /// For a further connection, and before those that it has run out.
    credentials: Box<dyn Fn() -> Credentials + Send + Sync>,
    /// What was not taken: to show it again would only repeat.
    untaken: Option<String>,
    follower: Follower,
    patience: Patience,
    ways: Ways,
    line: Option<Open>,
    events: VecDeque<Event>,
}

struct Open {
    line: Line,
    /// The server has said something.
    is_heard: bool,
    /// When the server has been silent for too long.
    dead_at: Instant,
    heartbeat: Duration,
    /// When the node wants it to have left.
    leave_at: Option<Instant>,
    ack_at: Option<Instant>,
    /// When the last notification came that was not acknowledged.
    came_at: Option<Instant>,
    refreshing: Refreshing,
}

/// What comes next on a connection.
enum Next {
    Text(String),
    Closed(Closing),
    Dead,
    Leave,
    Ack,
    Refresh,
}

impl Client {
    /// A client that stands nowhere; `credentials` gives the value of `Authorization` for each
    /// connection.
    pub fn new(options: Options, credentials: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self::showing(options, move || Credentials::Header(credentials().into()))
    }

    /// One that shows these for each connection. Before a token that says so runs out, the next is
    /// asked for, and the connection stays.
    pub fn showing(
        options: Options,
        credentials: impl Fn() -> Credentials + Send + Sync + 'static,
    ) -> Self {
        Self {
            patience: Patience::new(options.back_off_first, options.back_off_max),
            ways: Ways::new(options.events_url.is_some()),
            options,
            credentials: Box::new(credentials),
            untaken: None,
            follower: Follower::default(),
            line: None,
            events: VecDeque::new(),
        }
    }

    /// One that stands where another stood.
    #[must_use]
    pub fn standing_at(mut self, positions: BTreeMap<Stream, Position>) -> Self {
        self.follower = Follower::new(positions);
        self
    }

    /// Where it stands: of what was given by [`Client::next`], and what waits to be.
    #[must_use]
    pub const fn positions(&self) -> &BTreeMap<Stream, Position> {
        self.follower.positions()
    }

    /// Over what it hears at the moment; none while there is no connection.
    #[must_use]
    pub fn way(&self) -> Option<Way> {
        self.line.as_ref().map(|open| open.line.way())
    }

    /// Cuts the connection; the next call resumes.
    pub fn cut(&mut self) {
        self.line = None;
    }

    /// The person has read up to here. Nothing is said while there is no connection, nor over
    /// events: there it is said by REST.
    pub async fn read(&mut self, streams: BTreeMap<Stream, u64>) {
        if let Some(open) = &mut self.line {
            open.line.say(&Said::Read { streams }).await;
        }
    }

    /// The next event; it comes back from everything but what [`Ended`] names. Cancel-safe.
    ///
    /// # Errors
    /// [`Ended`], when coming back would not help.
    pub async fn next(&mut self) -> Result<Event, Ended> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            let Some(open) = &mut self.line else {
                self.connect().await?;
                continue;
            };
            match open.next().await {
                Next::Text(text) => self.hear(&text),
                Next::Closed(closing) => self.closed(closing)?,
                Next::Dead => self.closed(Closing::default())?,
                // It was told when to come: that is its own moment already.
                Next::Leave => self.line = None,
                Next::Ack => {
                    let every = self.options.ack_every;
                    open.ack_at = every.map(|every| Instant::now() + every);
                    if let Some(came_at) = open.came_at.take() {
                        let ack = self.follower.ack(came_at.elapsed());
                        open.line.say(&ack).await;
                    }
                }
                Next::Refresh => {
                    open.refreshing.again();
                    if let Some(said) = (self.credentials)().refresh() {
                        open.line.say(&said).await;
                    }
                }
            }
        }
    }

    async fn connect(&mut self) -> Result<(), Ended> {
        self.patience.wait().await;
        let credentials = (self.credentials)();
        let shown = credentials.header();
        if self.untaken.as_ref() == Some(&shown) {
            return Err(Ended::Refused(UNTAKEN));
        }
        let way = self.ways.next();
        let positions = self.follower.positions();
        match Line::open(way, &self.options, &shown, positions).await? {
            Opening::Open(line) => {
                self.untaken = None;
                self.open(line, &credentials);
            }
            Opening::Later(after) => {
                self.patience.lose();
                self.patience.at_least(after);
            }
            Opening::Unheard(after) => {
                self.ways.unheard(way);
                self.patience.lose();
                self.patience.at_least(after);
            }
            Opening::Untaken => {
                self.untaken = Some(shown);
                self.patience.lose();
            }
            // The other way at once: whoever answered has no part in it.
            Opening::Barred(status) => {
                if !self.ways.bar(way) {
                    return Err(Ended::Refused(status));
                }
            }
            Opening::Never(status) => return Err(Ended::Refused(status)),
        }
        Ok(())
    }

    fn open(&mut self, line: Line, credentials: &Credentials) {
        let way = line.way();
        let can_say = way == Way::Socket;
        let ack_every = self.options.ack_every.filter(|_| can_say);
        self.line = Some(Open {
            line,
            // An answer of events is the server's.
            is_heard: way == Way::Events,
            dead_at: Instant::now() + WELCOME_MAX,
            heartbeat: HEARTBEAT,
            leave_at: None,
            ack_at: ack_every.map(|every| Instant::now() + every),
            came_at: None,
            refreshing: Refreshing::before(credentials.left().filter(|_| can_say)),
        });
    }

    fn hear(&mut self, text: &str) {
        let Some(open) = &mut self.line else { return };
        open.is_heard = true;
        self.ways.heard(open.line.way());
        // What is not known is of a later version, and not for this one.
        let Ok(told) = Told::parse(text) else { return };
        if let Told::Welcome(welcome) = &told {
            open.heartbeat = Duration::from_millis(welcome.heartbeat_ms);
        }
        if let Told::Tops(_) = &told {
            // A whole heartbeat went well. Not the welcome: a server that closes right after it
            // needs time.
            self.patience.win();
        }
        if let Told::Refreshed(refreshed) = &told {
            let left = credentials::left(refreshed.expires_at);
            open.refreshing = Refreshing::before(Some(left));
        }
        open.dead_at = Instant::now() + open.heartbeat * 2;
        let mut events = Vec::new();
        let turn = self.follower.hear(told, &mut events);
        let is_told = |event: &Event| matches!(event, Event::Notification(_));
        if events.iter().any(is_told) {
            open.came_at = Some(Instant::now());
        }
        self.events.extend(events);
        match turn {
            Turn::Stay => {}
            Turn::Resume => {
                self.line = None;
                self.patience.lose();
            }
            Turn::Leave { after_ms } => {
                open.leave_at = Some(Instant::now() + Duration::from_millis(after_ms));
            }
        }
    }

    fn closed(&mut self, closing: Closing) -> Result<(), Ended> {
        let Some(open) = self.line.take() else {
            return Ok(());
        };
        match (closing.code, open.is_heard) {
            (None, false) => self.ways.unheard(open.line.way()),
            (Some(_), _) | (None, true) => self.ways.heard(open.line.way()),
        }
        let named = closing.after.map(|after| Instant::now() + after);
        match (closing.code, open.leave_at.or(named)) {
            (Some(code @ (close::REVOKED | close::UNSPOKEN | close::REPLACED)), _) => {
                Err(Ended::Closed(code))
            }
            // It may have gone before the moment that it named, and for all at once.
            (Some(close::RESTART), Some(moment)) => {
                self.patience.until(moment);
                Ok(())
            }
            // Where the token ran out, the next one is another.
            _ => {
                self.patience.lose();
                Ok(())
            }
        }
    }
}

impl Open {
    async fn next(&mut self) -> Next {
        let never = Instant::now() + Duration::from_secs(86_400);
        tokio::select! {
            // What has come goes before what time brings.
            biased;
            heard = self.line.next() => match heard {
                Ok(text) => Next::Text(text),
                Err(closing) => Next::Closed(closing),
            },
            () = tokio::time::sleep_until(self.dead_at) => Next::Dead,
            () = tokio::time::sleep_until(self.leave_at.unwrap_or(never)),
                if self.leave_at.is_some() => Next::Leave,
            () = tokio::time::sleep_until(self.ack_at.unwrap_or(never)),
                if self.ack_at.is_some() => Next::Ack,
            () = self.refreshing.is_due() => Next::Refresh,
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("options", &self.options)
            .field("follower", &self.follower)
            .finish_non_exhaustive()
    }
}
