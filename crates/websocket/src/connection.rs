//! What both sides of a connection share, and the side that sends.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::frame::Frame;
use crate::outbox::{Class, Limits, Outbox};
use crate::receiver::Receiver;
use crate::socket;

/// The key of pongs: no caller has one like it.
const PONG: &str = "\0pong";

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It is written or waits.
    Taken,
    /// There was no room, and its class lets it go.
    Dropped,
    /// There was no room for what has to be sent. Nothing is sent any more, since it would come
    /// after a gap: close the connection.
    Overflow,
    /// The connection is closing or gone.
    Closed,
}

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Open,
    /// A frame that had to be sent found no room.
    Full,
    /// A close frame waits or is written.
    Closing,
    /// The socket failed.
    Broken,
    /// Nothing is written any more, by this side's will.
    Gone,
}

#[derive(Debug)]
struct Outbound {
    stage: Stage,
    outbox: Outbox,
    /// Until nothing more is to be written.
    stream: Option<Arc<TcpStream>>,
    /// The receiver's task, if it sleeps.
    waker: Option<Waker>,
}

#[derive(Debug)]
pub(crate) struct Connection {
    limits: Limits,
    outbound: Mutex<Outbound>,
    opened: Instant,
    /// Milliseconds after `opened`.
    heard_ms: AtomicU64,
    dropped: AtomicU64,
}

/// The side that sends; a clone is the same connection. No method waits.
#[derive(Debug, Clone)]
pub struct Sender(Arc<Connection>);

pub(crate) fn open(stream: TcpStream, already_read: Bytes, limits: Limits) -> (Sender, Receiver) {
    let stream = Arc::new(stream);
    let connection = Arc::new(Connection {
        limits,
        outbound: Mutex::new(Outbound {
            stage: Stage::Open,
            outbox: Outbox::default(),
            stream: Some(Arc::clone(&stream)),
            waker: None,
        }),
        opened: Instant::now(),
        heard_ms: AtomicU64::new(0),
        dropped: AtomicU64::new(0),
    });
    let receiver = Receiver::new(Arc::clone(&connection), stream, already_read);
    (Sender(connection), receiver)
}

impl Sender {
    /// Writes a frame if nothing waits; what the socket does not take waits.
    #[must_use]
    pub fn push(&self, frame: &Frame, class: Class) -> Pushed {
        let connection = &*self.0;
        connection.send(|outbound| outbound.push(frame, class, &connection.limits))
    }

    /// Writes frames that belong together, all of [`Class::Must`], at once and in order. When
    /// nothing waits before them, they may be more than the queue's limits.
    #[must_use]
    pub fn push_all(&self, frames: &[Frame]) -> Pushed {
        let connection = &*self.0;
        connection.send(|outbound| outbound.push_all(frames, &connection.limits))
    }

    /// Sends what waits and then a close frame, and ends the connection; all that within a few
    /// seconds, if the receiver is asked for messages. The reason has up to 123 bytes.
    pub fn close(&self, code: u16, reason: &str) {
        self.0.close(&Frame::close(Some(code), reason), false);
    }

    /// Ends the connection at once and sends nothing.
    pub fn abort(&self) {
        self.0.lock().end(Stage::Gone);
    }

    /// Whether nothing can be pushed any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.lock().stage != Stage::Open
    }

    /// Since anything was heard of the client.
    #[must_use]
    pub fn idle(&self) -> Duration {
        let heard = Duration::from_millis(self.0.heard_ms.load(Ordering::Relaxed));
        self.0.opened.elapsed().saturating_sub(heard)
    }

    /// The bytes and messages that wait.
    #[must_use]
    pub fn queued(&self) -> (usize, usize) {
        self.0.lock().outbox.queued()
    }

    /// How many frames were dropped for want of room.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }
}

impl Connection {
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Something was heard.
    pub(crate) fn hear(&self) {
        let heard = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.heard_ms.store(heard, Ordering::Relaxed);
    }

    /// Answers a ping. Only the last one is owed an answer.
    pub(crate) fn pong(&self, payload: &[u8]) {
        let pong = Class::Collapse(PONG.into());
        self.send(|outbound| outbound.push(&Frame::pong(payload), pong, &self.limits));
    }

    /// The close frame is the last; what waits goes before it, or is forgotten.
    pub(crate) fn close(&self, frame: &Frame, forget: bool) {
        let mut outbound = self.lock();
        if !matches!(outbound.stage, Stage::Open | Stage::Full) {
            return;
        }
        if forget {
            outbound.outbox.forget();
        }
        outbound.stage = Stage::Closing;
        outbound.outbox.put_last(frame);
        outbound.write();
        outbound.wake();
    }

    /// Writes what waits, as far as the socket takes it; else the task is woken when it does, or
    /// when there is more to do.
    pub(crate) fn poll_written(&self, stream: &TcpStream, cx: &mut Context<'_>) -> Written {
        loop {
            let mut outbound = self.lock();
            let (stage, is_all) = (outbound.write(), outbound.outbox.is_empty());
            if !outbound
                .waker
                .as_ref()
                .is_some_and(|it| it.will_wake(cx.waker()))
            {
                outbound.waker = Some(cx.waker().clone());
            }
            drop(outbound);
            // A socket that failed is writable; the next write says so.
            if is_all || stream.poll_write_ready(cx).is_pending() {
                return Written { stage, is_all };
            }
        }
    }

    /// Nothing is written any more.
    pub(crate) fn end(&self, stage: Stage) {
        self.lock().end(stage);
    }

    /// Gives up the socket's other hold, once all is written.
    pub(crate) fn let_go(&self) {
        self.lock().stream = None;
    }

    fn send(&self, push: impl FnOnce(&mut Outbound) -> (Pushed, u64)) -> Pushed {
        let (pushed, dropped) = push(&mut self.lock());
        if dropped > 0 {
            self.dropped.fetch_add(dropped, Ordering::Relaxed);
        }
        pushed
    }

    /// What a panic left behind is whole: nothing here can panic between two changes.
    fn lock(&self) -> MutexGuard<'_, Outbound> {
        self.outbound.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How far the writing is.
pub(crate) struct Written {
    pub(crate) stage: Stage,
    pub(crate) is_all: bool,
}

impl Outbound {
    fn push(&mut self, frame: &Frame, class: Class, limits: &Limits) -> (Pushed, u64) {
        if let Some(refused) = self.refused() {
            return (refused, 0);
        }
        if !self.outbox.is_empty() {
            let (pushed, dropped) = self.outbox.put(frame, class, limits);
            return (self.noted(pushed), dropped);
        }
        let Some(stream) = &self.stream else {
            return (Pushed::Closed, 0);
        };
        match socket::write(stream, frame.bytes()) {
            Ok(written) if written == frame.len() => (Pushed::Taken, 0),
            Ok(written) if written > 0 => {
                self.outbox.begun(frame, written);
                self.wake();
                (Pushed::Taken, 0)
            }
            Err(error) if is_later(&error) => {
                let (pushed, dropped) = self.outbox.put(frame, class, limits);
                self.wake();
                (self.noted(pushed), dropped)
            }
            Ok(_none) => (self.broken(), 0),
            Err(_gone) => (self.broken(), 0),
        }
    }

    fn push_all(&mut self, frames: &[Frame], limits: &Limits) -> (Pushed, u64) {
        if let Some(refused) = self.refused() {
            return (refused, 0);
        }
        let waits = !self.outbox.is_empty();
        let (pushed, dropped) = self.outbox.put_run(frames, limits);
        if !waits && self.write() == Stage::Broken {
            return (Pushed::Closed, dropped);
        }
        if !waits && !self.outbox.is_empty() {
            self.wake();
        }
        (self.noted(pushed), dropped)
    }

    /// What every frame is answered in this stage.
    const fn refused(&self) -> Option<Pushed> {
        match self.stage {
            Stage::Open => None,
            Stage::Full => Some(Pushed::Overflow),
            Stage::Closing | Stage::Broken | Stage::Gone => Some(Pushed::Closed),
        }
    }

    fn noted(&mut self, pushed: Pushed) -> Pushed {
        if pushed == Pushed::Overflow {
            self.stage = Stage::Full;
        }
        pushed
    }

    fn broken(&mut self) -> Pushed {
        self.end(Stage::Broken);
        Pushed::Closed
    }

    fn write(&mut self) -> Stage {
        if let Some(stream) = &self.stream
            && self.outbox.write(stream).is_err()
        {
            self.end(Stage::Broken);
        }
        self.stage
    }

    fn end(&mut self, stage: Stage) {
        if !matches!(self.stage, Stage::Broken | Stage::Gone) {
            self.stage = stage;
        }
        self.outbox = Outbox::default();
        self.stream = None;
        self.wake();
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// Whether the same write may succeed.
fn is_later(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::Interrupted
    )
}
