//! An HTTP/1.1 connection that costs next to nothing: requests are bytes made beforehand, and of an
//! answer only its status and length are read. A client of the field would cost as much as the
//! gateway, on a machine where both have one core.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::EdgeError;

const BUFFER_BYTES: usize = 16 * 1024;
const LENGTH: &[u8] = b"content-length: ";

pub(super) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(super) async fn open(addr: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: vec![0; BUFFER_BYTES],
        })
    }

    /// Sends `request` and reads its answer to the end.
    pub(super) async fn ask(&mut self, request: &[u8]) -> Result<(), EdgeError> {
        self.stream.write_all(request).await?;
        let mut filled = 0;
        loop {
            let free = self.buffer.get_mut(filled..).unwrap_or_default();
            let read = self.stream.read(free).await?;
            if read == 0 {
                return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
            }
            filled += read;
            let answer = self.buffer.get(..filled).unwrap_or_default();
            let Some(end) = end_of(answer) else { continue };
            if filled >= end {
                return judge(answer);
            }
        }
    }
}

/// Where the answer ends, once its head is there.
fn end_of(answer: &[u8]) -> Option<usize> {
    let head = find(answer, b"\r\n\r\n")? + 4;
    let length = answer.get(..head).and_then(|head| {
        let digits = head.get(find(head, LENGTH)? + LENGTH.len()..)?;
        let digits = digits.get(..find(digits, b"\r")?)?;
        std::str::from_utf8(digits).ok()?.parse::<usize>().ok()
    });
    Some(head + length.unwrap_or(0))
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

fn judge(answer: &[u8]) -> Result<(), EdgeError> {
    let status = answer
        .get(9..12)
        .and_then(|code| std::str::from_utf8(code).ok());
    let status = status.and_then(|code| code.parse().ok()).unwrap_or(0);
    if (200..300).contains(&status) {
        return Ok(());
    }
    let text = String::from_utf8_lossy(answer);
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Err(EdgeError::Refused(status, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_where_its_length_says() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nx: y\r\n\r\nabcHTTP";

        assert_eq!(end_of(answer), Some(answer.len() - 4));
        assert_eq!(end_of(&answer[..30]), None, "the head is not there yet");
        assert_eq!(end_of(b"HTTP/1.1 204 No Content\r\n\r\n"), Some(27));
    }

    #[test]
    fn anything_but_success_is_told_with_its_body() {
        let refused = judge(b"HTTP/1.1 429 Too Many\r\ncontent-length: 2\r\n\r\n{}");

        assert!(matches!(refused, Err(EdgeError::Refused(429, body)) if body == "{}"));
        assert!(judge(b"HTTP/1.1 200 OK\r\n\r\n").is_ok());
    }
}
