//! A client that follows the protocol: it comes back when it is cut off, with patience where
//! patience is due, resumes where it stood, and gives each notification once and in order.

mod credentials;
mod line;
mod patience;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::follow::{Event, Follower, Turn};
use crate::stream::{Position, Stream};
use crate::wire::{Said, Told, close};
pub use credentials::Credentials;
use credentials::Refreshing;
use line::{Line, Opening};
use patience::Patience;

/// Until the server has said how often it gives a sign of life.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// How a client behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// `ws://host:port/path`.
    pub url: String,
    /// How often the server is told what is had, so that it can measure; never, if none.
    pub ack_every: Option<Duration>,
    /// The most it waits before it tries for the first time again; doubled each time.
    pub back_off_first: Duration,
    /// The most it ever waits.
    pub back_off_max: Duration,
}

impl Options {
    /// The usual behaviour.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
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
    follower: Follower,
    patience: Patience,
    line: Option<Open>,
    events: VecDeque<Event>,
}

struct Open {
    line: Line,
    /// When the server has been silent for too long.
    dead_at: Instant,
    heartbeat: Duration,
    /// When the node wants it to have left.
    leave_at: Option<Instant>,
    ack_at: Option<Instant>,
    refreshing: Refreshing,
}

/// What comes next on a connection.
enum Next {
    Text(String),
    Closed(Option<u16>),
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
            options,
            credentials: Box::new(credentials),
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

    /// Cuts the connection; the next call resumes.
    pub fn cut(&mut self) {
        self.line = None;
    }

    /// The person has read up to here. Nothing is said while there is no connection.
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
                Next::Closed(code) => self.closed(code)?,
                Next::Dead => {
                    self.line = None;
                    self.patience.lose();
                }
                // It was told when to come: that is its own moment already.
                Next::Leave => self.line = None,
                Next::Ack => {
                    let every = self.options.ack_every;
                    open.ack_at = every.map(|every| Instant::now() + every);
                    let ack = self.follower.ack();
                    open.line.say(&ack).await;
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
        let opening = Line::open(&self.options.url, &credentials).await?;
        let mut line = match opening {
            Opening::Open(line) => *line,
            Opening::Later(after) => {
                self.patience.lose();
                self.patience.at_least(after);
                return Ok(());
            }
            Opening::Never(status) => return Err(Ended::Refused(status)),
        };
        line.say(&self.follower.hello()).await;
        self.line = Some(Open {
            line,
            dead_at: Instant::now() + HEARTBEAT * 2,
            heartbeat: HEARTBEAT,
            leave_at: None,
            ack_at: self.options.ack_every.map(|every| Instant::now() + every),
            refreshing: Refreshing::before(credentials.left()),
        });
        Ok(())
    }

    fn hear(&mut self, text: &str) {
        let Some(open) = &mut self.line else { return };
        // What is not known is of a later version, and not for this one.
        let Ok(told) = Told::parse(text) else { return };
        if let Told::Welcome(welcome) = &told {
            open.heartbeat = Duration::from_millis(welcome.heartbeat_ms);
            self.patience.win();
        }
        if let Told::Refreshed(refreshed) = &told {
            let left = credentials::left(refreshed.expires_at);
            open.refreshing = Refreshing::before(Some(left));
        }
        open.dead_at = Instant::now() + open.heartbeat * 2;
        let mut events = Vec::new();
        let turn = self.follower.hear(told, &mut events);
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

    fn closed(&mut self, code: Option<u16>) -> Result<(), Ended> {
        let leave_at = self.line.take().and_then(|open| open.leave_at);
        match (code, leave_at) {
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
                Err(code) => Next::Closed(code),
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
