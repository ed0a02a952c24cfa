//! A connection, and a client that is nothing but bytes.

use std::io::ErrorKind;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tradepost_websocket::{End, Limits, Receiver, Sender};

pub(crate) const LIMITS: Limits = Limits {
    queue_bytes: 64 * 1024,
    queue_messages: 64,
    message_bytes: 1024,
};
/// However slow the machine is, nothing here takes so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Both ends of a connection, with buffers as small as the system lets them be.
pub(crate) async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let client = socket.connect(listener.local_addr().unwrap());
    let (client, accepted) = tokio::join!(client, listener.accept());
    (client.unwrap(), accepted.unwrap().0)
}

pub(crate) async fn connected(limits: Limits) -> (Client, Sender, Receiver) {
    let (client, server) = pair().await;
    let (sender, receiver) = tradepost_websocket::server(server, Bytes::new(), limits);
    (Client(client), sender, receiver)
}

/// All messages up to the end, in a task.
pub(crate) fn heard(mut receiver: Receiver) -> JoinHandle<(Vec<String>, End)> {
    tokio::spawn(async move {
        let mut texts = Vec::new();
        loop {
            match receiver.next().await {
                Ok(text) => texts.push(text),
                Err(end) => return (texts, end),
            }
        }
    })
}

/// A frame of the client; the first byte as it is given.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..126 => bytes.push(0x80 | u8::try_from(length).unwrap()),
        length @ 126..65_536 => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(b, m)| b ^ m));
    bytes
}

pub(crate) fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(0x88, &[&code.to_be_bytes()[..], reason].concat())
}

pub(crate) struct Client(pub(crate) TcpStream);

impl Client {
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// The first byte and the payload of the server's next frame; `None` when it has ended.
    pub(crate) async fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        tokio::time::timeout(PATIENCE, self.read()).await.unwrap()
    }

    async fn read(&mut self) -> Option<(u8, Vec<u8>)> {
        let first = match self.0.read_u8().await {
            Ok(first) => first,
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return None,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
            Err(error) => panic!("{error}"),
        };
        let length = match self.0.read_u8().await.unwrap() {
            126 => usize::from(self.0.read_u16().await.unwrap()),
            127 => usize::try_from(self.0.read_u64().await.unwrap()).unwrap(),
            length => {
                assert!(length < 126, "the server masked a frame");
                usize::from(length)
            }
        };
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).await.unwrap();
        Some((first, payload))
    }

    pub(crate) async fn next_text(&mut self) -> String {
        let (first, payload) = self.next().await.expect("a text");
        assert_eq!(first, 0x81);
        String::from_utf8(payload).unwrap()
    }

    /// Reads a close frame and the end of the stream; the code.
    pub(crate) async fn closed(&mut self) -> Option<u16> {
        let (first, payload) = self.next().await.expect("a close frame");
        assert_eq!(first, 0x88, "{payload:?}");
        assert_eq!(self.next().await, None, "something after the close frame");
        payload
            .first_chunk()
            .map(|code: &[u8; 2]| u16::from_be_bytes(*code))
    }
}
