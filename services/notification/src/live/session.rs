//! One connection from its upgrade to its end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout;
use tradepost_notifications::stream::{Position, Stream};
use tradepost_notifications::wire::{Said, Secret, Told, close};
use tradepost_websocket::{Class, End, Frame, Receiver, Sender};

use super::hub::{Conn, Opening, Step};
use super::limits::Bucket;
use super::line::{Line, Way};
use super::service::Live;
use super::straight::{Arrival, Guest};
use crate::ports::{Credentials, Reader};

/// A client may say in one go what it may say in so many seconds.
const BURST_SECONDS: u32 = 3;
/// How often the database is asked for one connection: each time its groups were others.
const OPENS_MAX: usize = 5;

/// Who has opened a connection.
pub(super) enum Who {
    /// The gateway says so, and ends it when its time has come.
    Relayed(Reader),
    /// Somebody who came straight, and has perhaps shown nothing yet.
    Straight(Box<Arrival>),
}

/// Why a connection ends before it has begun.
type Unspoken = (u16, &'static str);
/// A connection of the hub, and whose credentials it rests on, if the gateway does not see to that.
type Entered = (Arc<Conn<Way>>, Option<Arc<Guest>>);

/// Serves a client until it goes or is sent away.
pub(super) async fn run(live: &Arc<Live>, who: Who, sender: Sender, mut receiver: Receiver) {
    let hello = timeout(Duration::from_millis(live.config.hello_ms), receiver.next()).await;
    let hello = match hello {
        Err(_elapsed) => Err((close::IDLE, "no hello")),
        Ok(Err(_end)) => return,
        Ok(Ok(text)) => hello_of(&text),
    };
    // Boxed: it is over soon, and its room would stay with the connection.
    let begun = match hello {
        Ok(hello) => Box::pin(begin(live, who, hello, &sender)).await,
        Err(unspoken) => Err(unspoken),
    };
    match begun {
        Ok((conn, guest)) => {
            listen(live, &conn, guest.as_ref(), &mut receiver).await;
            live.hub.leave(&conn);
        }
        Err((code, reason)) => {
            live.metrics.closed(Some(code));
            sender.close(code, reason);
            // What waits is written while somebody listens.
            while receiver.next().await.is_ok() {}
        }
    }
}

/// What the first message says.
struct Hello {
    positions: Positions,
    credentials: Option<Credentials>,
}

type Positions = BTreeMap<Stream, Position>;

fn hello_of(text: &str) -> Result<Hello, Unspoken> {
    let no_hello = (close::UNSPOKEN, "the first message is a hello");
    let (positions, token, ticket) = match serde_json::from_str(text) {
        Ok(Said::Hello {
            positions,
            token,
            ticket,
        }) => (positions, token, ticket),
        Ok(Said::Ack { .. } | Said::Read { .. } | Said::Ping | Said::Refresh { .. }) | Err(_) => {
            return Err(no_hello);
        }
    };
    let credentials = match (token, ticket) {
        (None, None) => None,
        (Some(token), None) => Some(Credentials::Token(token.expose().into())),
        (None, Some(ticket)) => Some(Credentials::Ticket(ticket.expose().into())),
        (Some(_), Some(_)) => return Err((close::UNSPOKEN, "a token or a ticket, not both")),
    };
    Ok(Hello {
        positions,
        credentials,
    })
}

/// Finds out who it is, and where their streams stand.
async fn begin(
    live: &Arc<Live>,
    who: Who,
    hello: Hello,
    sender: &Sender,
) -> Result<Entered, Unspoken> {
    let way = Way::Socket(sender.clone());
    let (conn, guest) = match who {
        Who::Relayed(_) if hello.credentials.is_some() => {
            return Err((close::UNSPOKEN, "credentials were shown already"));
        }
        Who::Relayed(reader) => (live.hub.enter(reader, way), None),
        Who::Straight(mut arrival) => {
            show(live, &mut arrival, hello.credentials).await?;
            enter(live, arrival, way)?
        }
    };
    start(live, &conn, hello.positions).await;
    Ok((conn, guest))
}

/// Credentials are shown once: with the request, or now.
async fn show(
    live: &Live,
    arrival: &mut Arrival,
    credentials: Option<Credentials>,
) -> Result<(), Unspoken> {
    match (arrival.reader().is_some(), credentials) {
        (true, None) => Ok(()),
        (true, Some(_)) => Err((close::UNSPOKEN, "credentials were shown already")),
        (false, None) => Err((close::EXPIRED, "no credentials were shown")),
        (false, Some(credentials)) => {
            let straight = live.straight.as_ref().ok_or(NOT_NOW)?;
            let shown = straight.admit(arrival, credentials).await;
            shown.map_err(|unwelcome| unwelcome.closing())
        }
    }
}

const NOT_NOW: Unspoken = (close::FAULT, "credentials cannot be checked now");

/// A further connection of somebody who came straight and was let in.
pub(super) fn enter(live: &Live, arrival: Box<Arrival>, way: Way) -> Result<Entered, Unspoken> {
    let straight = live.straight.as_ref().ok_or(NOT_NOW)?;
    let reader = arrival.reader().cloned().ok_or(NOT_NOW)?;
    let conn = live.hub.enter(reader, way);
    let guest = straight.enter(&conn, arrival);
    Ok((conn, guest))
}

/// Where the streams of a connection stand, and what it has missed of them.
pub(super) async fn start(live: &Live, conn: &Arc<Conn<Way>>, positions: Positions) {
    if let Err((code, reason)) = open(live, conn, positions).await {
        conn.close(code, reason);
    }
}

async fn open(live: &Live, conn: &Arc<Conn<Way>>, positions: Positions) -> Result<(), Unspoken> {
    let fault = (close::FAULT, "the streams cannot be read now");
    let mut opening = Opening::new(positions);
    for _ in 0..OPENS_MAX {
        let opened = live.desk.open(conn.reader()).await;
        let opened = opened.map_err(|_no_answer| fault)?;
        match live.hub.place(conn, &mut opening, &opened) {
            Step::Again => {}
            Step::Fetch(gaps) => {
                let fetched = live.desk.fetch(gaps).await;
                let fetched = fetched.map_err(|_no_answer| fault)?;
                live.hub.begin(conn, opening, fetched);
                return Ok(());
            }
            Step::Foreign => return Err((close::RESET, "begin anew")),
            Step::Gone => return Ok(()),
        }
    }
    Err(fault)
}

/// Takes what the client says; writes what waits for it, too.
async fn listen(
    live: &Arc<Live>,
    conn: &Arc<Conn<Way>>,
    guest: Option<&Arc<Guest>>,
    receiver: &mut Receiver,
) {
    let mut pace = Bucket::new(
        live.config.messages_per_second,
        BURST_SECONDS,
        Instant::now(),
    );
    loop {
        let text = match receiver.next().await {
            Ok(text) => text,
            // It is closed already: this notes why.
            Err(End::Fault { code }) => return conn.close(code, "no WebSocket"),
            Err(End::Closed { .. } | End::Left | End::Local) => return,
        };
        if conn.closed_with().is_some() {
            continue;
        }
        if pace.takes(Instant::now()) {
            match serde_json::from_str(&text) {
                Ok(Said::Refresh { token }) => refresh(live, conn, guest, token),
                Ok(said) => hear(live, conn, said),
                Err(_malformed) => conn.close(close::UNSPOKEN, "no message of this protocol"),
            }
        } else {
            conn.close(close::TOO_MANY, "too many messages");
        }
    }
}

/// Beside the connection: it waits for an answer, and messages must not.
fn refresh(live: &Arc<Live>, conn: &Arc<Conn<Way>>, guest: Option<&Arc<Guest>>, token: Secret) {
    let (Some(guest), Some(straight)) = (guest.cloned(), live.straight.clone()) else {
        return conn.close(close::UNSPOKEN, "nothing to refresh");
    };
    let conn = Arc::clone(conn);
    drop(live.tasks.detach(async move {
        straight.refresh(&conn, &guest, &token).await;
    }));
}

fn hear(live: &Live, conn: &Arc<Conn<Way>>, said: Said) {
    match said {
        Said::Hello { .. } => conn.close(close::UNSPOKEN, "a second hello"),
        Said::Ack { streams, held_ms } => {
            let newest = live.hub.acknowledge(conn, &streams);
            if let (Some(stored_ms), Some(held_ms)) = (newest, held_ms) {
                measure(live, conn, (stored_ms, held_ms));
            }
        }
        Said::Refresh { .. } => conn.close(close::UNSPOKEN, "nothing to refresh"),
        Said::Read { streams } => live.read(conn.reader(), live.hub.read_by(conn, &streams)),
        Said::Ping => {
            let pong = Frame::text(&Told::Pong.text());
            let _lost = conn.line().push(&pong, Class::Collapse("pong".into()));
        }
    }
}

/// How long the newest of what is acknowledged took, less how long the client has had it. What was
/// stored before the client came was not on its way for so long: it was missed and resumed.
fn measure(live: &Live, conn: &Conn<Way>, (stored_ms, held_ms): (i64, u64)) {
    if stored_ms < conn.since_ms() {
        return;
    }
    let now_ms = i64::try_from(live.clock.now().unix_timestamp_nanos() / 1_000_000);
    let held_ms = i64::try_from(held_ms).unwrap_or(i64::MAX);
    let came_ms = now_ms.unwrap_or_default().saturating_sub(held_ms);
    live.metrics.latency(stored_ms, came_ms);
}
