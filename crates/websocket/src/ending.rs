//! The last seconds of a connection: what waits is written, then this side is shut, and the
//! client's is waited for, since a socket that is closed on unread bytes takes back what it sent.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

use crate::connection::{Connection, Stage};
use crate::receiver::{self, End};

/// For what waits and the close frame.
const WRITE_MAX: Duration = Duration::from_secs(5);
/// For the client's side, after that.
const LINGER_MAX: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) end: End,
    until: Pin<Box<Sleep>>,
    is_shut: bool,
}

impl Ending {
    pub(crate) fn new(end: End) -> Self {
        Self {
            end,
            until: Box::pin(sleep(WRITE_MAX)),
            is_shut: false,
        }
    }

    /// Ready when the socket may be closed.
    pub(crate) fn poll(
        &mut self,
        connection: &Connection,
        stream: &mut Arc<TcpStream>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if self.until.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        if !self.is_shut {
            let written = connection.poll_written(stream, cx);
            if matches!(written.stage, Stage::Broken | Stage::Gone) {
                return Poll::Ready(());
            }
            if !written.is_all {
                return Poll::Pending;
            }
            // A client that closed has nothing more to say.
            if matches!(self.end, End::Closed { .. }) {
                return Poll::Ready(());
            }
            self.shut(connection, stream, cx);
            if self.until.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
        }
        loop {
            match ready!(receiver::poll_read(stream, cx, |_discarded| ())) {
                Ok(Some(())) => {}
                Ok(None) | Err(_) => return Poll::Ready(()),
            }
        }
    }

    fn shut(&mut self, connection: &Connection, stream: &mut Arc<TcpStream>, cx: &mut Context<'_>) {
        self.is_shut = true;
        self.until.as_mut().reset(Instant::now() + LINGER_MAX);
        connection.let_go();
        if let Some(stream) = Arc::get_mut(stream) {
            // It is a system call, and never pending; where it fails, the socket is gone.
            let _ = Pin::new(stream).poll_shutdown(cx);
        }
    }
}
