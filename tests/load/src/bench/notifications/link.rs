//! A client's connection, as light as it can be: thousands are on one thread.

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tradepost_notifications::wire::SUBPROTOCOL;

const READ_BYTES: usize = 4 * 1024;
/// The most bytes of the answer to an upgrade.
const ANSWER_BYTES_MAX: usize = 8 * 1024;
pub(super) const TEXT: u8 = 0x81;
pub(super) const PING: u8 = 0x89;
pub(super) const PONG: u8 = 0x8a;
pub(super) const CLOSE: u8 = 0x88;

/// An open connection.
pub(super) struct Link {
    stream: TcpStream,
    /// What was read of messages that are not whole.
    pending: Vec<u8>,
}

/// What came.
pub(super) enum Came {
    Text(String),
    Close,
}

/// Why a connection was not opened.
pub(super) enum Refused {
    /// By this status.
    Status(u16),
    Failed,
}

impl Link {
    pub(super) async fn open(addr: SocketAddr, bearer: &str) -> std::result::Result<Self, Refused> {
        let connecting = TcpStream::connect(addr).await;
        let stream = connecting.map_err(|_unreachable| Refused::Failed)?;
        let _ = stream.set_nodelay(true);
        let mut link = Self {
            stream,
            pending: Vec::new(),
        };
        match link.upgrade(addr, bearer).await {
            Ok(101) => Ok(link),
            Ok(status) => Err(Refused::Status(status)),
            Err(_broken) => Err(Refused::Failed),
        }
    }

    async fn upgrade(&mut self, addr: SocketAddr, bearer: &str) -> Result<u16> {
        self.stream
            .write_all(request(addr, bearer).as_bytes())
            .await?;
        loop {
            self.read().await?;
            let end = self.pending.windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(end) = end {
                let head: Vec<u8> = self.pending.drain(..end + 4).collect();
                let status = head
                    .get(9..12)
                    .and_then(|text| std::str::from_utf8(text).ok());
                let status = status.and_then(|text| text.parse().ok());
                return status.ok_or_else(|| ErrorKind::InvalidData.into());
            }
            if self.pending.len() > ANSWER_BYTES_MAX {
                return Err(ErrorKind::InvalidData.into());
            }
        }
    }

    pub(super) async fn say(&mut self, text: &str) -> Result<()> {
        self.write(TEXT, text.as_bytes()).await
    }

    /// The next message; pings are answered.
    pub(super) async fn next(&mut self) -> Result<Came> {
        loop {
            let Some((first, payload, rest)) = frame(&self.pending) else {
                self.read().await?;
                continue;
            };
            let (payload, rest) = (payload.to_vec(), rest.to_vec());
            self.pending = rest;
            match first {
                TEXT => {
                    let text = String::from_utf8(payload);
                    return text.map(Came::Text).map_err(Error::other);
                }
                PING => self.write(PONG, &payload).await?,
                CLOSE => return Ok(Came::Close),
                _ => return Err(ErrorKind::InvalidData.into()),
            }
        }
    }

    /// The socket, and what was read of it but not looked at.
    pub(super) fn into_parts(self) -> Result<(std::net::TcpStream, Vec<u8>)> {
        Ok((self.stream.into_std()?, self.pending))
    }

    async fn read(&mut self) -> Result<()> {
        // Nothing is reserved while there is nothing to read.
        self.stream.readable().await?;
        self.pending.reserve(READ_BYTES);
        match self.stream.try_read_buf(&mut self.pending) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(_bytes) => Ok(()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn write(&mut self, first: u8, payload: &[u8]) -> Result<()> {
        self.stream.write_all(&masked(first, payload)?).await
    }
}

/// The request for a WebSocket. The key is the RFC's; nobody here is in doubt whether one answers.
pub(super) fn request(addr: SocketAddr, bearer: &str) -> String {
    format!(
        "GET / HTTP/1.1\r\nhost: {addr}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         sec-websocket-protocol: {SUBPROTOCOL}\r\nauthorization: {bearer}\r\n\r\n"
    )
}

/// The first byte and the payload of a frame that is whole, and what stands behind it.
pub(super) fn frame(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (first, short) = (*bytes.first()?, *bytes.get(1)?);
    let (head, length): (usize, usize) = match short {
        126 => {
            let length = bytes.get(2..)?.first_chunk()?;
            (4, usize::from(u16::from_be_bytes(*length)))
        }
        127 => {
            let length = bytes.get(2..)?.first_chunk()?;
            (10, usize::try_from(u64::from_be_bytes(*length)).ok()?)
        }
        length => (2, usize::from(length)),
    };
    let (payload, rest) = bytes.get(head..)?.split_at_checked(length)?;
    Some((first, payload, rest))
}

/// A client's frame. The mask is zero: it hides nothing, and there is nothing to hide it from.
pub(super) fn masked(first: u8, payload: &[u8]) -> Result<Vec<u8>> {
    let mut frame = vec![first];
    if let Some(length) = u8::try_from(payload.len()).ok().filter(|it| *it < 126) {
        frame.push(0x80 | length);
    } else {
        let length = u16::try_from(payload.len()).map_err(Error::other)?;
        frame.push(0x80 | 126);
        frame.extend(length.to_be_bytes());
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    Ok(frame)
}
