//! Thousands of clients: each knows up to where it has its streams, and what should not be.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::Rng;
use tokio::task::JoinSet;
use tradepost_notifications::stream::{Position, Stream};
use tradepost_notifications::wire::{Said, Told};

use super::ears::{Door, Ears};
use super::link::{Came, Link, Refused};
use super::senders::Caller;
use super::{Origin, until, user};
use crate::bench::report::{Rows, Unit};
use crate::bench::target::TargetError;
use crate::samples::Samples;

/// How long all of them may take to be welcomed.
const WELCOME_MAX: Duration = Duration::from_secs(120);
/// Handshakes that are begun at once: more would only wait for each other.
const BEGUN: usize = 256;

/// What all clients heard.
#[derive(Debug)]
pub(super) struct Tally {
    origin: Origin,
    welcomed: AtomicU64,
    heard: AtomicU64,
    /// Sequences that were skipped, and such that were heard again.
    pub(super) skipped: AtomicU64,
    pub(super) repeated: AtomicU64,
    /// Streams whose welcome said that something was missed for good.
    pub(super) unrecovered: AtomicU64,
    /// Connections that ended before they should, and that were refused and tried again.
    pub(super) ended: AtomicU64,
    pub(super) refused: AtomicU64,
    /// How often a connection was closed with a code.
    closed: Mutex<BTreeMap<u16, u64>>,
    delays: Mutex<Samples>,
    last: Mutex<Last>,
}

/// Where a client stands, kept over its connections.
type Positions = Arc<Mutex<BTreeMap<Stream, Position>>>;

/// All of them.
pub(super) struct Clients {
    /// The number of the first.
    first: usize,
    positions: Vec<Positions>,
    tasks: JoinSet<()>,
    ears: Option<Ears>,
    pub(super) tally: Arc<Tally>,
}

impl Clients {
    pub(super) fn new(count: usize, origin: Origin) -> Self {
        Self::numbered(0, count, origin)
    }

    /// So many, numbered from `first`.
    pub(super) fn numbered(first: usize, count: usize, origin: Origin) -> Self {
        let tally = Tally {
            origin,
            welcomed: AtomicU64::new(0),
            heard: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
            repeated: AtomicU64::new(0),
            unrecovered: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            closed: Mutex::default(),
            delays: Mutex::default(),
            last: Mutex::default(),
        };
        Self {
            first,
            ears: None,
            positions: (0..count).map(|_| Positions::default()).collect(),
            tasks: JoinSet::new(),
            tally: Arc::new(tally),
        }
    }

    /// Connects all, in turn to each of the nodes, and waits until they are welcomed.
    pub(super) async fn connect(
        &mut self,
        nodes: &[SocketAddr],
        caller: &Caller,
    ) -> Result<(), TargetError> {
        self.tally.welcomed.store(0, Ordering::Relaxed);
        let begun = Arc::new(tokio::sync::Semaphore::new(BEGUN));
        let ears = self.ears.insert(Ears::open()?);
        let door = ears.door();
        let each = self.positions.iter().zip(nodes.iter().cycle()).enumerate();
        for (number, (positions, node)) in each {
            let client = Client {
                node: *node,
                door: door.clone(),
                bearer: caller.reader(&user(self.first + number))?,
                positions: Arc::clone(positions),
                tally: Arc::clone(&self.tally),
                begun: Arc::clone(&begun),
            };
            self.tasks.spawn(client.run());
        }
        let (tally, count) = (&self.tally, self.positions.len() as u64);
        until("all clients are welcome", WELCOME_MAX, || {
            tally.welcomed.load(Ordering::Relaxed) >= count
        })
        .await
    }

    /// Ends all connections without a word.
    pub(super) async fn drop_all(&mut self) {
        self.tasks.shutdown().await;
        self.ears = None;
    }
}

impl Tally {
    pub(super) fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }

    /// From the sending to each hearing since this was asked the last time.
    pub(super) fn delays(&self) -> Samples {
        std::mem::take(&mut lock(&self.delays))
    }

    fn close(&self, code: u16) {
        *lock(&self.closed).entry(code).or_default() += 1;
        count(&self.ended);
    }

    /// What must not be.
    pub(super) fn tell(&self, rows: &mut Rows, name: &str) {
        for (what, count) in [
            ("sequences skipped", &self.skipped),
            ("resumes refused", &self.unrecovered),
            ("connections that ended", &self.ended),
        ] {
            let count = count.load(Ordering::Relaxed) as f64;
            rows.worst(&format!("{name}: {what}"), count, Unit::Events);
        }
        let closed = lock(&self.closed);
        for (code, count) in &*closed {
            rows.tell(format!("{name}: {count} connections closed with {code}"));
        }
    }
}

struct Client {
    node: SocketAddr,
    door: Door,
    bearer: String,
    positions: Positions,
    tally: Arc<Tally>,
    begun: Arc<tokio::sync::Semaphore>,
}

impl Client {
    async fn run(self) {
        let Some(link) = self.open().await else {
            return;
        };
        let hearing = Hearing {
            positions: self.positions,
            tally: Arc::clone(&self.tally),
        };
        let entered = link
            .into_parts()
            .and_then(|(stream, rest)| self.door.enter(stream, rest, hearing));
        if entered.is_err() {
            return count(&self.tally.ended);
        }
        count(&self.tally.welcomed);
    }

    /// Tries again when it is refused for now. The place among those that begin is given up with the
    /// welcome.
    async fn open(&self) -> Option<Link> {
        loop {
            let place = self.begun.acquire().await.ok()?;
            match Link::open(self.node, &self.bearer).await {
                Ok(mut link) => {
                    if let Some(()) = self.hello(&mut link).await {
                        return Some(link);
                    }
                    count(&self.tally.ended);
                }
                Err(Refused::Status(503) | Refused::Failed) => {
                    count(&self.tally.refused);
                }
                Err(Refused::Status(_)) => {
                    count(&self.tally.ended);
                    return None;
                }
            }
            drop(place);
            let wait = rand::rng().random_range(50..500);
            tokio::time::sleep(Duration::from_millis(wait)).await;
        }
    }

    async fn hello(&self, link: &mut Link) -> Option<()> {
        let positions = self.positions().clone();
        let hello = serde_json::to_string(&Said::hello(positions)).ok()?;
        link.say(&hello).await.ok()?;
        let Ok(Came::Text(text)) = link.next().await else {
            return None;
        };
        let Ok(Told::Welcome(welcome)) = Told::parse(&text) else {
            return None;
        };
        let mut positions = self.positions();
        for (stream, start) in welcome.streams {
            if start.recovered == Some(true) {
                continue;
            }
            if start.recovered == Some(false) {
                count(&self.tally.unrecovered);
            }
            let epoch = welcome.epoch.clone();
            positions.insert(
                stream,
                Position {
                    epoch,
                    seq: start.seq,
                },
            );
        }
        Some(())
    }

    fn positions(&self) -> MutexGuard<'_, BTreeMap<Stream, Position>> {
        lock(&self.positions)
    }
}

/// What a client makes of what it hears.
pub(super) struct Hearing {
    positions: Positions,
    tally: Arc<Tally>,
}

/// How a connection ended that should not have.
pub(super) enum Ending {
    /// With a code.
    Closed(u16),
    Broken,
}

impl Hearing {
    pub(super) fn ended(&self, ending: Ending) {
        match ending {
            Ending::Closed(code) => self.tally.close(code),
            Ending::Broken => count(&self.tally.ended),
        }
    }

    pub(super) fn hear(&self, payload: &[u8]) {
        let mut last = lock(&self.tally.last);
        if last.payload != payload {
            last.look_at(payload);
        }
        let is_new = match &last.told {
            Sort::Nothing => false,
            Sort::Signal => true,
            Sort::Unreadable => {
                count(&self.tally.skipped);
                false
            }
            Sort::Entry(stream, seq) => self.is_next(stream, *seq),
        };
        if !is_new {
            return;
        }
        if let Some(stamp) = last.stamp {
            let delay = self.tally.origin.since(stamp);
            lock(&self.tally.delays).push(delay);
        }
        count(&self.tally.heard);
    }

    /// Notes where the client stands now; whether it had not heard this before.
    fn is_next(&self, stream: &Stream, seq: u64) -> bool {
        let mut positions = lock(&self.positions);
        let Some(position) = positions.get_mut(stream) else {
            count(&self.tally.skipped);
            return false;
        };
        if seq <= position.seq {
            count(&self.tally.repeated);
            return false;
        }
        if seq > position.seq + 1 {
            count(&self.tally.skipped);
        }
        position.seq = seq;
        true
    }
}

/// The message that was heard last. All clients of a broadcast get the same bytes, which say the same.
#[derive(Debug, Default)]
struct Last {
    payload: Vec<u8>,
    told: Sort,
    /// When it was due.
    stamp: Option<u64>,
}

/// What a message is.
#[derive(Debug, Default)]
enum Sort {
    #[default]
    Nothing,
    Signal,
    Entry(Stream, u64),
    Unreadable,
}

impl Last {
    fn look_at(&mut self, payload: &[u8]) {
        self.payload.clear();
        self.payload.extend_from_slice(payload);
        let text = std::str::from_utf8(payload).unwrap_or_default();
        self.stamp = number(text, "\"sent_us\":");
        self.told = if text.starts_with("{\"t\":\"signal\"") {
            Sort::Signal
        } else if text.starts_with("{\"t\":\"notification\"") {
            let stream = between(text, "\"stream\":\"", '"').and_then(|name| name.parse().ok());
            match (stream, number(text, "\"seq\":")) {
                (Some(stream), Some(seq)) => Sort::Entry(stream, seq),
                (None, _) | (_, None) => Sort::Unreadable,
            }
        } else {
            Sort::Nothing
        };
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// What stands behind `name`. To parse all of a message would cost more than to receive it.
fn number(text: &str, name: &str) -> Option<u64> {
    let (_, rest) = text.split_once(name)?;
    let rest = rest.trim_start();
    let end = rest
        .find(|byte: char| !byte.is_ascii_digit())
        .unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
}

fn between<'a>(text: &'a str, start: &str, end: char) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    rest.split_once(end).map(|(found, _)| found)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tradepost_websocket::{Class, Frame, Limits, Pushed, Receiver, Sender};

    use super::*;

    /// What a node would do, for one client: an upgrade, a welcome at 7, and then `frames`.
    async fn node(listener: TcpListener, frames: &[&str]) -> (String, Receiver, Sender) {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        assert!(head.starts_with(b"GET / HTTP/1.1\r\n"));
        let answer = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n";
        stream.write_all(answer).await.unwrap();
        let limits = Limits {
            queue_bytes: 65_536,
            queue_messages: 64,
            message_bytes: 65_536,
        };
        let (sender, mut receiver) = tradepost_websocket::server(stream, Bytes::new(), limits);
        let hello = receiver.next().await.unwrap();
        for text in frames {
            let frame = Frame::text(text.as_bytes());
            assert_eq!(sender.push(&frame, Class::Must), Pushed::Taken);
        }
        (hello, receiver, sender)
    }

    #[tokio::test]
    async fn a_client_counts_what_it_hears_and_what_should_not_be() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let mut clients = Clients::new(1, Origin::now());
        let caller = Caller::unbelieved();
        let frames = [
            r#"{"t":"welcome","epoch":"e","heartbeat_ms":1000,"streams":{"user":{"seq":7,"read":0}}}"#,
            r#"{"t":"tops","streams":{"user":7}}"#,
            r#"{"t":"notification","stream":"user","seq":8,"data":{"sent_us":1}}"#,
            r#"{"t":"notification","stream":"user","seq":8,"data":{"sent_us":1}}"#,
            r#"{"t":"signal","data":{"sent_us": 2}}"#,
            r#"{"t":"notification","stream":"user","seq":10,"data":{"sent_us":3}}"#,
        ];

        let nodes = [addr];
        let (served, connected) =
            tokio::join!(node(listener, &frames), clients.connect(&nodes, &caller));
        connected.unwrap();
        let (hello, receiver, sender) = served;
        let tally = Arc::clone(&clients.tally);
        until("three", WELCOME_MAX, || tally.heard() == 3)
            .await
            .unwrap();
        sender.close(4408, "slow");
        drop(receiver);
        until("the end", WELCOME_MAX, || {
            tally.ended.load(Ordering::Relaxed) == 1
        })
        .await
        .unwrap();

        assert_eq!(hello, r#"{"t":"hello"}"#);
        assert_eq!(tally.delays().len(), 3);
        assert_eq!(tally.repeated.load(Ordering::Relaxed), 1);
        assert_eq!(tally.skipped.load(Ordering::Relaxed), 1);
        let position = clients.positions[0].lock().unwrap()[&Stream::User].clone();
        assert_eq!(position.seq, 10);
    }

    #[test]
    fn a_message_is_read_where_it_matters() {
        let text = r#"{"t":"notification","stream":"group:all","seq":17,"data":{"sent_us": 42}}"#;

        assert_eq!(number(text, "\"seq\":"), Some(17));
        assert_eq!(number(text, "\"sent_us\":"), Some(42));
        assert_eq!(between(text, "\"stream\":\"", '"'), Some("group:all"));
        assert_eq!(number(text, "\"none\":"), None);
    }
}
