//! The bytes of a connection on their way to the HTTP library and back.
//!
//! A head is let through when it is whole and has one meaning. One that has none is replaced by a
//! request for nothing, after which nothing is read: so it is answered in its turn, by the same
//! layer and in the same form as everything else, and ends the connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::framing::{Broken, Left};
use super::head::{self, Head, HeadFault};
use super::slots::Slot;
use super::watch::Watch;

/// What stands for a request that is none. Its method and its path are nobody's.
const NOTHING: &[u8] = b"REFUSED / HTTP/1.1\r\nhost: none\r\nconnection: close\r\n\r\n";
/// What is read at once of a head that is not whole.
const PIECE_BYTES: usize = 4 * 1024;
/// So many bytes may follow the end of a connection unread.
const UNREAD_BYTES_MAX: usize = 4 * 1024 * 1024;

/// One connection. Its place is given back when it is dropped, be it by whom it was upgraded to.
pub(super) struct Wire<S> {
    inner: S,
    at: Place,
    /// A head that is not whole, or what there was no room for.
    held: BytesMut,
    /// How much of `held` may go through.
    released: usize,
    unread: usize,
    watch: Watch,
    _slot: Slot,
}

/// Where the next byte stands.
#[derive(Debug, Clone, Copy)]
enum Place {
    Head,
    Body(Left),
    /// Behind what was no body.
    Broken(Broken),
    /// Behind what was no head.
    Refused,
    /// In another protocol.
    Upgraded,
}

/// What to do with the bytes behind those that may go through.
enum Rest {
    /// There are none.
    Nothing,
    /// They are a part of a head.
    Hold,
    Refuse(HeadFault),
    Break(Broken),
}

impl<S> Wire<S> {
    pub(super) fn new(inner: S, watch: Watch, slot: Slot) -> Self {
        Self {
            inner,
            at: Place::Head,
            held: BytesMut::new(),
            released: 0,
            unread: 0,
            watch,
            _slot: slot,
        }
    }

    /// Goes over bytes: how many of them may go through, and what the others are.
    fn scan(&mut self, bytes: &[u8]) -> (usize, Rest) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let passed = bytes.len() - rest.len();
            let taken = match self.at {
                Place::Head => match head::read(rest) {
                    Ok(Head::Whole(length, framing)) => {
                        self.watch.head_ended(None);
                        self.at = Left::of(framing).map_or(Place::Head, Place::Body);
                        length
                    }
                    Ok(Head::Partial) => return (passed, Rest::Hold),
                    Err(fault) => return (passed, Rest::Refuse(fault)),
                },
                Place::Body(left) => match left.advance(rest) {
                    Ok((taken, left)) => {
                        self.at = left.map_or(Place::Head, Place::Body);
                        taken
                    }
                    Err((taken, broken)) => return (passed + taken, Rest::Break(broken)),
                },
                Place::Broken(_) | Place::Refused | Place::Upgraded => rest.len(),
            };
            rest = rest.get(taken..).unwrap_or_default();
        }
        (bytes.len(), Rest::Nothing)
    }

    /// What becomes of the bytes that must not go through as they are.
    fn settle(&mut self, rest: Rest) {
        match rest {
            Rest::Nothing => {}
            Rest::Hold => self.watch.head_began(),
            Rest::Refuse(fault) => {
                self.watch.head_ended(Some(fault));
                self.at = Place::Refused;
                self.held.truncate(self.released);
                self.held.extend_from_slice(NOTHING);
                self.released = self.held.len();
            }
            Rest::Break(broken) => self.at = Place::Broken(broken),
        }
    }

    /// Lets released bytes through; whether there were any.
    fn release(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let length = self.released.min(buf.remaining());
        let Some(bytes) = self.held.get(..length).filter(|bytes| !bytes.is_empty()) else {
            return false;
        };
        buf.put_slice(bytes);
        self.held.advance(length);
        self.released -= length;
        true
    }
}

impl<S: AsyncRead + Unpin> Wire<S> {
    /// Reads behind a part of a head; `None` at the end of the connection.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<()>>> {
        let mut piece = [0; PIECE_BYTES];
        let mut piece = ReadBuf::new(&mut piece);
        ready!(Pin::new(&mut self.inner).poll_read(cx, &mut piece))?;
        let piece = piece.filled();
        if piece.is_empty() {
            return Poll::Ready(Ok(None));
        }
        self.held.extend_from_slice(piece);
        // Without the end of a line there is nothing new to know, unless it grew too long.
        if piece.contains(&b'\n') || self.held.len() > head::LINE_BYTES_MAX {
            let held = self.held.split();
            let (passed, rest) = self.scan(&held);
            self.held.unsplit(held);
            self.released = passed;
            self.settle(rest);
        }
        Poll::Ready(Ok(Some(())))
    }

    /// Reads straight into `buf`; whether something came that may go through, or the end.
    fn poll_straight(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<bool>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        let bytes = buf.filled().get(before..).unwrap_or_default();
        if bytes.is_empty() {
            return Poll::Ready(Ok(true));
        }
        let (passed, rest) = self.scan(bytes);
        if matches!(rest, Rest::Hold) {
            self.held
                .extend_from_slice(bytes.get(passed..).unwrap_or_default());
        }
        buf.set_filled(before + passed);
        self.settle(rest);
        Poll::Ready(Ok(passed > 0))
    }

    /// Reads what nobody reads any more, so that the client is not cut off from its answer.
    fn poll_unread(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut piece = [0; PIECE_BYTES];
        while self.unread < UNREAD_BYTES_MAX {
            let mut piece = ReadBuf::new(&mut piece);
            let read = ready!(Pin::new(&mut self.inner).poll_read(cx, &mut piece));
            if read.is_err() || piece.filled().is_empty() {
                break;
            }
            self.unread += piece.filled().len();
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.release(buf) {
                return Poll::Ready(Ok(()));
            }
            match this.at {
                Place::Refused => return Poll::Pending,
                Place::Broken(Broken(why)) => {
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, why)));
                }
                Place::Upgraded => return Pin::new(&mut this.inner).poll_read(cx, buf),
                Place::Head | Place::Body(_) => {}
            }
            if this.watch.is_upgraded() {
                this.at = Place::Upgraded;
                this.released = this.held.len();
            } else if this.held.is_empty() {
                if ready!(this.poll_straight(cx, buf))? {
                    return Poll::Ready(Ok(()));
                }
            } else if ready!(this.poll_more(cx))?.is_none() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write(cx, bytes);
        this.note(written, bytes.len())
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let length = slices.iter().map(|slice| slice.len()).sum();
        let written = Pin::new(&mut this.inner).poll_write_vectored(cx, slices);
        this.note(written, length)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.inner).poll_flush(cx);
        this.note(flushed.map_ok(|()| 0), 0).map_ok(|_| ())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.inner).poll_shutdown(cx))?;
        match this.at {
            Place::Upgraded => Poll::Ready(Ok(())),
            Place::Head if this.held.is_empty() => Poll::Ready(Ok(())),
            Place::Head | Place::Body(_) | Place::Broken(_) | Place::Refused => {
                this.watch.ending();
                this.poll_unread(cx).map(Ok)
            }
        }
    }
}

impl<S> Wire<S> {
    /// Notes how a write of `length` bytes went.
    fn note(&self, written: Poll<io::Result<usize>>, length: usize) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Pending => self.watch.write_blocked(),
            Poll::Ready(Ok(bytes)) => self.watch.wrote(*bytes, *bytes == length),
            Poll::Ready(Err(_)) => {}
        }
        written
    }
}
