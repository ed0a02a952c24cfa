//! A client that hears server-sent events: its queue, and the body that is written from it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::{Body, Frame as BodyFrame};
use tokio_util::sync::CancellationToken;
use tradepost_notifications::events::{Heard, Piece, closing};
use tradepost_notifications::wire::close;
use tradepost_websocket::{Class, Frame, Limits, Pushed, Queue};

use super::hub::Conn;
use super::limits::Seat;
use super::line::Way;
use super::service::Live;
use super::straight::Guest;

/// Over how long clients come back that were sent away together.
const RETURN_MAX_MS: u64 = 10_000;

/// The way to one client.
#[derive(Debug)]
pub struct Events {
    state: Mutex<State>,
    /// It was closed: what waits is written for a while, and no longer.
    ended: CancellationToken,
}

#[derive(Debug)]
struct State {
    queue: Queue,
    heard: Heard,
    /// The last event, once it is known.
    last: Option<Bytes>,
    is_closed: bool,
    /// Since when something waits and nothing of it was taken.
    waits_since: Option<Instant>,
    /// The writer, if it sleeps.
    waker: Option<Waker>,
}

impl Events {
    /// The way to a client that has heard so much.
    #[must_use]
    pub fn new(limits: Limits, heard: Heard) -> Self {
        Self {
            state: Mutex::new(State {
                queue: Queue::new(limits),
                heard,
                last: None,
                is_closed: false,
                waits_since: None,
                waker: None,
            }),
            ended: CancellationToken::new(),
        }
    }

    pub(super) fn push(&self, frame: &Frame, class: Class) -> Pushed {
        self.put(|queue| queue.push(frame, class))
    }

    pub(super) fn push_all(&self, frames: &[Frame]) -> Pushed {
        self.put(|queue| queue.push_all(frames))
    }

    /// A client that says nothing lives as long as it takes what it is told.
    pub(super) fn idle(&self) -> Duration {
        let waits_since = self.lock().waits_since;
        waits_since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    pub(super) fn close(&self, code: u16, reason: &str) {
        let waker = {
            let mut state = self.lock();
            if state.is_closed {
                return;
            }
            // Whoever comes back by itself, as a browser does, does so then, and not with all others.
            let after_ms = rand::random_range(0..=RETURN_MAX_MS);
            let reason = if code == close::RESTART {
                "restart"
            } else {
                reason
            };
            state.is_closed = true;
            state.last = Some(closing(code, reason, Some(after_ms)));
            state.waker.take()
        };
        self.ended.cancel();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// What waits is not written any more.
    fn say_no_more(&self) {
        let mut state = self.lock();
        while state.queue.pop().is_some() {}
        state.last = None;
    }

    /// Cancelled when it is closed.
    pub(super) const fn ended(&self) -> &CancellationToken {
        &self.ended
    }

    fn put(&self, put: impl FnOnce(&mut Queue) -> Pushed) -> Pushed {
        let mut state = self.lock();
        if state.is_closed {
            return Pushed::Closed;
        }
        let pushed = put(&mut state.queue);
        if !state.queue.is_empty() && state.waits_since.is_none() {
            state.waits_since = Some(Instant::now());
        }
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        pushed
    }

    /// What is to be written next; none after the last.
    fn poll_piece(&self, cx: &Context<'_>) -> Poll<Option<Piece>> {
        let mut state = self.lock();
        if let Some(frame) = state.queue.pop() {
            let more = !state.queue.is_empty();
            state.waits_since = more.then(Instant::now);
            let text = std::str::from_utf8(frame.payload()).unwrap_or_default();
            return Poll::Ready(Some(state.heard.piece(text)));
        }
        if state.is_closed {
            return Poll::Ready(state.last.take().map(Piece::Event));
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No step leaves half a state behind.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is written to a client; when it is dropped, the client has left.
pub(super) struct Stream(Told);

/// A client that is told events.
pub(super) struct Told {
    pub(super) live: Arc<Live>,
    pub(super) conn: Arc<Conn<Way>>,
    pub(super) events: Arc<Events>,
    /// Struck out of the book when the client has left.
    pub(super) _guest: Option<Arc<Guest>>,
    pub(super) _seat: Seat,
}

impl Stream {
    pub(super) const fn of(told: Told) -> Self {
        Self(told)
    }
}

impl Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame<Bytes>, Infallible>>> {
        let told = &self.0;
        told.events.poll_piece(cx).map(|piece| {
            let bytes = match piece? {
                Piece::Event(event) => event,
                Piece::Return { after_ms } => told.restart(after_ms),
            };
            Some(Ok(BodyFrame::data(bytes)))
        })
    }
}

impl Told {
    /// It is told when to come back, and need not wait for that here: the last event.
    fn restart(&self, after_ms: u64) -> Bytes {
        self.conn.close(close::RESTART, "restart");
        self.events.say_no_more();
        closing(close::RESTART, "restart", Some(after_ms))
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.live.hub.leave(&self.conn);
    }
}
