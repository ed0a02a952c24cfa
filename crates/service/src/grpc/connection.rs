//! A connection that shutdown does not wait for while its client has not said a word.
//!
//! hyper keeps a graceful shutdown for after the HTTP/2 handshake, however long that takes
//! (hyper issue 4170), and a client that holds connections in store may never begin it: the server
//! would wait out its whole grace period.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::{Connected, TcpConnectInfo};

use super::wire::Wire;

/// What a client of HTTP/2 says first, before anything can be asked of it.
const PREFACE_BYTES: usize = 24;

/// One accepted connection.
pub(super) struct Connection {
    stream: Wire,
    /// How much of the preface is still to come.
    silent_for: usize,
    shutdown: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Connection {
    pub(super) fn plain(stream: TcpStream, shutdown: CancellationToken) -> Self {
        Self::new(Wire::Plain(stream), shutdown)
    }

    /// After its handshake; the client may still be silent about HTTP.
    pub(super) fn secure(stream: TlsStream<TcpStream>, shutdown: CancellationToken) -> Self {
        Self::new(Wire::Secure(Box::new(stream)), shutdown)
    }

    fn new(stream: Wire, shutdown: CancellationToken) -> Self {
        Self {
            stream,
            silent_for: PREFACE_BYTES,
            shutdown: Box::pin(shutdown.cancelled_owned()),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if self.silent_for == 0 {
            return read;
        }
        if read.is_pending() {
            // An end of the stream is what the server understands at any time.
            ready!(self.shutdown.as_mut().poll(context));
            return Poll::Ready(Ok(()));
        }
        let heard = buffer.filled().len().saturating_sub(before);
        self.silent_for = self.silent_for.saturating_sub(heard);
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.connect_info()
    }
}
