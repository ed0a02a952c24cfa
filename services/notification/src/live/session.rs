//! One connection from its upgrade to its end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout;
use tradepost_notifications::stream::{Position, Stream};
use tradepost_notifications::wire::{Said, Told, close};
use tradepost_websocket::{Class, End, Frame, Receiver, Sender};

use super::hub::{Conn, Opening, Step};
use super::limits::Bucket;
use super::service::Live;
use crate::ports::Reader;

/// A client may say in one go what it may say in so many seconds.
const BURST_SECONDS: u32 = 3;
/// How often the database is asked for one connection: each time its groups were others.
const OPENS_MAX: usize = 5;

/// Serves a client until it goes or is sent away.
pub(super) async fn run(live: &Live, reader: Reader, sender: Sender, mut receiver: Receiver) {
    let hello = timeout(Duration::from_millis(live.config.hello_ms), receiver.next()).await;
    let positions = match hello {
        Err(_elapsed) => Err((close::IDLE, "no hello")),
        Ok(Err(_end)) => return,
        Ok(Ok(text)) => match serde_json::from_str(&text) {
            Ok(Said::Hello { positions }) => Ok(positions),
            Ok(Said::Ack { .. } | Said::Read { .. } | Said::Ping) | Err(_) => {
                Err((close::UNSPOKEN, "the first message is a hello"))
            }
        },
    };
    match positions {
        Ok(positions) => {
            let conn = live.hub.enter(reader, sender);
            // Boxed: it is over soon, and its room would stay with the connection.
            let opened = Box::pin(open(live, &conn, positions)).await;
            if let Err((code, reason)) = opened {
                conn.close(code, reason);
            }
            listen(live, &conn, &mut receiver).await;
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

async fn open(
    live: &Live,
    conn: &Arc<Conn<Sender>>,
    positions: BTreeMap<Stream, Position>,
) -> Result<(), (u16, &'static str)> {
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
async fn listen(live: &Live, conn: &Arc<Conn<Sender>>, receiver: &mut Receiver) {
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
                Ok(said) => hear(live, conn, said),
                Err(_malformed) => conn.close(close::UNSPOKEN, "no message of this protocol"),
            }
        } else {
            conn.close(close::TOO_MANY, "too many messages");
        }
    }
}

fn hear(live: &Live, conn: &Arc<Conn<Sender>>, said: Said) {
    match said {
        Said::Hello { .. } => conn.close(close::UNSPOKEN, "a second hello"),
        Said::Ack { streams } => {
            let now_ms = i64::try_from(live.clock.now().unix_timestamp_nanos() / 1_000_000);
            let now_ms = now_ms.unwrap_or_default();
            for stored_ms in live.hub.stored_ms(conn, &streams) {
                live.metrics.latency(stored_ms, now_ms);
            }
        }
        Said::Read { streams } => live.read(conn.reader(), live.hub.read_by(conn, &streams)),
        Said::Ping => {
            let pong = Frame::text(&Told::Pong.text());
            let _lost = conn.line().push(&pong, Class::Collapse("pong".into()));
        }
    }
}
