//! Asks the past for many connections at once: questions that come while one is under way share the
//! next. What is loaded at once is bounded in bytes, however many come back and whatever they missed.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tradepost_service::Tasks;

use super::Way;
use super::hub::{Missed, framed};
use super::line::Line;
use crate::ports::{Gap, Opened, Pasts, Portion, Reader, Recents};

/// Readers of one question.
const READERS_MAX: usize = 500;
/// Gaps of one question. With what a client may be behind, 128 KiB, they are 16 MiB.
const GAPS_MAX: usize = 128;
/// Gaps that one connection asks about at once: what it is given of them is more than it may have.
const GAPS_EACH_MAX: usize = 8;
/// Questions that may wait: as many as connections that are opened at once.
const QUEUE_MAX: usize = 20_000;
/// How long an answer may take. Who gets none in time goes and comes back with back-off.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// There was no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoAnswer;

type Reply<T> = oneshot::Sender<T>;

/// Where questions are put.
pub(super) struct Desk {
    openings: mpsc::Sender<(Reader, Reply<Opened>)>,
    gaps: mpsc::Sender<(Gap, Reply<Piece>)>,
    bytes_max: usize,
}

/// What is kept of a gap.
type Piece = Missed<Way>;

impl Desk {
    /// A desk; a portion of a gap is read, which is what a client may be given of all its gaps.
    pub(super) fn new(
        tasks: &Tasks,
        past: Pasts,
        recent: Option<Recents>,
        portion: Portion,
    ) -> Self {
        let (openings, asked) = mpsc::channel(QUEUE_MAX);
        // They end with the desk, which ends with the last connection.
        drop(tasks.detach(answer_openings(past.clone(), asked)));
        let (gaps, asked) = mpsc::channel(QUEUE_MAX);
        let shelf = Shelf {
            past,
            recent,
            portion,
        };
        drop(tasks.detach(answer_gaps(shelf, asked)));
        Self {
            openings,
            gaps,
            bytes_max: portion.bytes,
        }
    }

    /// Where the streams of a reader stand.
    pub(super) async fn open(&self, reader: &Reader) -> Result<Opened, NoAnswer> {
        ask(&self.openings, reader.clone()).await
    }

    /// The entries of each gap, as far as they are kept and there is room for them: none where there
    /// is not.
    pub(super) async fn fetch(&self, gaps: Vec<Gap>) -> Result<Vec<Option<Piece>>, NoAnswer> {
        let (mut room, mut fetched) = (self.bytes_max, Vec::with_capacity(gaps.len()));
        for some in gaps.chunks(GAPS_EACH_MAX) {
            let asked = some.iter().map(|gap| ask(&self.gaps, gap.clone()));
            for piece in futures::future::try_join_all(asked).await? {
                let size = piece.iter().map(|(_, frame)| Way::size(frame)).sum();
                let left = room.checked_sub(size);
                room = left.unwrap_or(room);
                fetched.push(left.map(|_| piece));
            }
        }
        Ok(fetched)
    }
}

async fn ask<Q, A>(desk: &mpsc::Sender<(Q, Reply<A>)>, question: Q) -> Result<A, NoAnswer> {
    let (reply, answer) = oneshot::channel();
    desk.try_send((question, reply)).map_err(|_full| NoAnswer)?;
    match tokio::time::timeout(ANSWER_MAX, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) | Err(_) => Err(NoAnswer),
    }
}

async fn answer_openings(past: Pasts, mut asked: mpsc::Receiver<(Reader, Reply<Opened>)>) {
    let mut batch = Vec::new();
    while asked.recv_many(&mut batch, READERS_MAX).await > 0 {
        let (readers, replies): (Vec<_>, Vec<_>) = batch
            .drain(..)
            // Who has left needs no answer.
            .filter(|(_, reply)| !reply.is_closed())
            .unzip();
        match tokio::time::timeout(ANSWER_MAX, past.open(&readers)).await {
            Ok(Ok(opened)) => {
                for (reply, opened) in replies.into_iter().zip(opened) {
                    let _left = reply.send(opened);
                }
            }
            Ok(Err(error)) => failed(&error),
            Err(elapsed) => failed(&elapsed),
        }
    }
}

struct Shelf {
    past: Pasts,
    recent: Option<Recents>,
    portion: Portion,
}

async fn answer_gaps(shelf: Shelf, mut asked: mpsc::Receiver<(Gap, Reply<Piece>)>) {
    let mut batch = Vec::new();
    while asked.recv_many(&mut batch, GAPS_MAX).await > 0 {
        // After a node's end the members of a group ask for the same.
        let mut replies: HashMap<Gap, Vec<Reply<Piece>>> = HashMap::new();
        for (gap, reply) in batch.drain(..).filter(|(_, reply)| !reply.is_closed()) {
            match replies.entry(gap) {
                Slot::Occupied(mut known) => known.get_mut().push(reply),
                Slot::Vacant(free) => drop(free.insert(vec![reply])),
            }
        }
        let (mut gaps, mut replies): (Vec<_>, Vec<_>) = replies.into_iter().unzip();
        if let Some(recent) = &shelf.recent {
            let found = recent.recent(&gaps, shelf.portion.bytes).await;
            let mut rest = (Vec::new(), Vec::new());
            let found = found.into_iter().chain(std::iter::repeat(None));
            for ((gap, replies), found) in gaps.into_iter().zip(replies).zip(found) {
                match found {
                    Some(entries) => reply_all(replies, &framed::<Way>(&entries)),
                    None => rest.extend([(gap, replies)]),
                }
            }
            (gaps, replies) = rest;
        }
        if gaps.is_empty() {
            continue;
        }
        let asked = shelf.past.entries(&gaps, shelf.portion);
        match tokio::time::timeout(ANSWER_MAX, asked).await {
            Ok(Ok(found)) => {
                for (replies, entries) in replies.into_iter().zip(found) {
                    reply_all(replies, &framed::<Way>(&entries));
                }
            }
            Ok(Err(error)) => failed(&error),
            Err(elapsed) => failed(&elapsed),
        }
    }
}

fn reply_all(replies: Vec<Reply<Piece>>, piece: &Piece) {
    for reply in replies {
        let _left = reply.send(piece.clone());
    }
}

fn failed(error: &dyn std::error::Error) {
    tracing::warn!(
        event = "live.past_failed",
        error = %chain(error),
        "connections cannot be opened: the database does not answer"
    );
}

/// The error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests;
