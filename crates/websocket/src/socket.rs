//! Reads and writes that do not wait.
//!
//! The kernel is asked, and not the runtime first whether it believes that the socket takes anything:
//! what it notes of each socket is seldom in the cache when thousands are told one after the other.
//! Only a socket without room is shown to it, since it is the runtime that then says when there is
//! some.

use std::io::{ErrorKind, IoSlice, Result};

use rustix::io::{Errno, writev};
use rustix::net::{RecvFlags, SendFlags, recv, send};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// How many of the bytes the socket took.
///
/// # Errors
/// [`WouldBlock`](std::io::ErrorKind::WouldBlock): it has no room, and the runtime knows it. Else the
/// socket's own.
pub(crate) fn write(stream: &TcpStream, bytes: &[u8]) -> Result<usize> {
    match send(stream, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
        Err(Errno::AGAIN) => stream.try_write(bytes),
        sent => Ok(sent?),
    }
}

/// As [`write`], of bytes that stand in several places.
///
/// # Errors
/// As [`write`].
pub(crate) fn write_vectored(stream: &TcpStream, slices: &[IoSlice<'_>]) -> Result<usize> {
    match writev(stream, slices) {
        Err(Errno::AGAIN) => stream.try_write_vectored(slices),
        written => Ok(written?),
    }
}

/// Reads what is there, at most as much as there is room for. When there is room left, that was all:
/// the runtime is told so at once, as by its own `poll_read` of a socket that nobody shares, and
/// nobody has to read again to find out.
///
/// # Errors
/// [`WouldBlock`](ErrorKind::WouldBlock): there is nothing, and the runtime knows it. Else the socket's
/// own.
pub(crate) fn read(stream: &TcpStream, buffer: &mut [u8]) -> Result<usize> {
    let (room, mut read) = (buffer.len(), 0);
    let taken = stream.try_io(Interest::READABLE, || {
        (read, _) = recv(stream, &mut *buffer, RecvFlags::DONTWAIT)?;
        if (1..room).contains(&read) {
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(())
    });
    match taken {
        Err(error) if read == 0 => Err(error),
        _ => Ok(read),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let connecting = TcpStream::connect(listener.local_addr().unwrap());
        let (ours, theirs) = tokio::join!(listener.accept(), connecting);
        (ours.unwrap().0, theirs.unwrap())
    }

    /// Whether the runtime believes that something may be done: it asks the kernel only then.
    fn is_ready(stream: &TcpStream, interest: Interest) -> bool {
        let mut is_asked = false;
        let _unchanged = stream.try_io(interest, || {
            is_asked = true;
            Ok(())
        });
        is_asked
    }

    #[tokio::test]
    async fn when_there_was_room_left_the_runtime_knows_that_nothing_is_there() {
        let (ours, mut theirs) = pair().await;

        // The third reads what the second left.
        for (sent, room, is_more) in [("hello", 10, false), ("hello", 3, true), ("", 10, false)] {
            theirs.write_all(sent.as_bytes()).await.unwrap();
            ours.readable().await.unwrap();
            let mut buffer = vec![0; room];

            let read = read(&ours, &mut buffer).unwrap();

            assert!((1..=room).contains(&read), "{sent} {room}");
            assert_eq!(is_ready(&ours, Interest::READABLE), is_more);
        }
        let nothing = read(&ours, &mut [0; 10]).unwrap_err();
        assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
    }

    #[tokio::test]
    async fn the_end_is_read_behind_what_came_before_it() {
        let (ours, mut theirs) = pair().await;
        theirs.write_all(b"bye").await.unwrap();
        theirs.shutdown().await.unwrap();

        let mut lengths = Vec::new();
        while lengths.last() != Some(&0) {
            ours.readable().await.unwrap();
            lengths.push(read(&ours, &mut [0; 10]).unwrap());
        }

        assert_eq!(lengths, [3, 0]);
    }

    /// Writes until there is no room; how much that was.
    fn fill(write: impl Fn(&[u8]) -> Result<usize>) -> usize {
        let (bytes, mut sent) = (vec![b'x'; 64 * 1024], 0);
        loop {
            match write(&bytes) {
                Ok(taken) => sent += taken,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    return sent;
                }
            }
        }
    }

    #[tokio::test]
    async fn a_socket_without_room_is_written_to_when_there_is_some() {
        let (ours, mut theirs) = pair().await;
        let whole = |bytes: &[u8]| write(&ours, bytes);
        let in_two = |bytes: &[u8]| {
            let (one, other) = bytes.split_at(bytes.len() / 2);
            write_vectored(&ours, &[IoSlice::new(one), IoSlice::new(other)])
        };

        for vectored in [false, true, false] {
            ours.writable().await.unwrap();
            let sent = if vectored { fill(in_two) } else { fill(whole) };

            assert!(sent > 0);
            assert!(!is_ready(&ours, Interest::WRITABLE));
            theirs.read_exact(&mut vec![0; sent]).await.unwrap();
        }
    }
}
