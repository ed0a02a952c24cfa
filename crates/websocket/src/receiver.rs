//! The side that reads.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{ErrorKind, Result as IoResult};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::net::TcpStream;

use crate::connection::{Connection, Stage, Written};
use crate::decoder::{Decoder, Event, Fault};
use crate::ending::Ending;
use crate::frame::Frame;
use crate::socket;

/// The most bytes of one read.
const READ_BYTES: usize = 16 * 1024;

thread_local! {
    /// One for each thread, not for each connection: it is needed between two waits only.
    static READ: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

/// Why no more messages come. The socket is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The client closed, and was answered.
    Closed {
        /// With this code, if it gave one.
        code: Option<u16>,
    },
    /// The client went without a word.
    Left,
    /// The client did what the protocol forbids, and was told.
    Fault {
        /// The close code: 1002 protocol, 1003 binary, 1007 no UTF-8, 1009 too large.
        code: u16,
    },
    /// This side closed or aborted.
    Local,
}

/// The side that reads, and writes what waits. Dropped, the connection is gone.
#[derive(Debug)]
pub struct Receiver {
    connection: Arc<Connection>,
    /// Until the end.
    stream: Option<Arc<TcpStream>>,
    /// What was read and not yet looked at.
    rest: Bytes,
    decoder: Decoder,
    ending: Option<Box<Ending>>,
    end: End,
}

impl Receiver {
    pub(crate) fn new(connection: Arc<Connection>, stream: Arc<TcpStream>, rest: Bytes) -> Self {
        let decoder = Decoder::new(connection.limits().message_bytes);
        Self {
            connection,
            stream: Some(stream),
            rest,
            decoder,
            ending: None,
            end: End::Local,
        }
    }

    /// The next text message. Pings are answered and what waits is written meanwhile, so that it
    /// has to be asked for all the time. A future that is dropped loses nothing.
    ///
    /// # Errors
    /// Why no more come; and again whenever it is asked after that.
    pub async fn next(&mut self) -> Result<String, End> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<String, End>> {
        loop {
            let Some(stream) = &mut self.stream else {
                return Poll::Ready(Err(self.end));
            };
            if let Some(ending) = &mut self.ending {
                ready!(ending.poll(&self.connection, stream, cx));
                let end = ending.end;
                return Poll::Ready(Err(self.ended(end)));
            }
            let Written { stage, .. } = self.connection.poll_written(stream, cx);
            match stage {
                Stage::Open | Stage::Full => {}
                Stage::Closing => {
                    self.ending = Some(Box::new(Ending::new(End::Local)));
                    continue;
                }
                Stage::Broken => return Poll::Ready(Err(self.ended(End::Left))),
                Stage::Gone => return Poll::Ready(Err(self.ended(End::Local))),
            }
            match ready!(self.poll_event(cx)) {
                Ok(Some(event)) => {
                    if let Some(text) = self.met(event) {
                        return Poll::Ready(Ok(text));
                    }
                }
                Ok(None) => return Poll::Ready(Err(self.ended(End::Left))),
                Err(fault) => {
                    let code = fault.code();
                    self.closing(
                        &Frame::close(Some(code), fault.reason()),
                        End::Fault { code },
                    );
                }
            }
        }
    }

    /// `None` at the end of what the client sends.
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Event>, Fault>> {
        loop {
            let mut rest = &*self.rest;
            let found = self.decoder.decode(&mut rest);
            let taken = self.rest.len() - rest.len();
            self.rest.advance(taken);
            if let Some(found) = found.transpose() {
                return Poll::Ready(found.map(Some));
            }
            let (decoder, connection) = (&mut self.decoder, &self.connection);
            let Some(stream) = &self.stream else {
                return Poll::Ready(Ok(None));
            };
            let read = ready!(poll_read(stream, cx, |mut bytes| {
                connection.hear();
                let found = decoder.decode(&mut bytes);
                (found, Bytes::copy_from_slice(bytes))
            }));
            let Ok(Some((found, rest))) = read else {
                return Poll::Ready(Ok(None));
            };
            self.rest = rest;
            if let Some(found) = found.transpose() {
                return Poll::Ready(found.map(Some));
            }
        }
    }

    fn met(&mut self, event: Event) -> Option<String> {
        match event {
            Event::Text(text) => return Some(text),
            Event::Ping(payload) => self.connection.pong(&payload),
            Event::Pong => {}
            Event::Close(code) => {
                self.closing(&Frame::close(code, ""), End::Closed { code });
            }
        }
        None
    }

    /// The client is not told what still waits: it would not hear it.
    fn closing(&mut self, frame: &Frame, end: End) {
        self.connection.close(frame, true);
        self.rest = Bytes::new();
        self.ending = Some(Box::new(Ending::new(end)));
    }

    fn ended(&mut self, end: End) -> End {
        self.connection.end(Stage::Gone);
        self.stream = None;
        self.ending = None;
        self.end = end;
        end
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.connection.end(Stage::Gone);
    }
}

/// Reads once into the thread's buffer; `None` at the end of what the client sends.
pub(crate) fn poll_read<T>(
    stream: &TcpStream,
    cx: &mut Context<'_>,
    take: impl FnOnce(&[u8]) -> T,
) -> Poll<IoResult<Option<T>>> {
    READ.with_borrow_mut(|buffer| {
        loop {
            ready!(stream.poll_read_ready(cx))?;
            match socket::read(stream, buffer) {
                Ok(0) => return Poll::Ready(Ok(None)),
                Ok(bytes) => {
                    let read = buffer.get(..bytes).unwrap_or_default();
                    return Poll::Ready(Ok(Some(take(read))));
                }
                Err(error) if is_later(&error) => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    })
}

fn is_later(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
