//! What a connection costs here and with tungstenite: `compare ours|tungstenite [CONNECTIONS]`.
//!
//! Prints the resident KiB of a silent connection, and the processor time of a message that goes to
//! all of them. Clients are plain sockets of the same process that read nothing: they cost it a
//! file each, and what is sent stays in the kernel.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program for a terminal, that may end with a panic"
)]

use std::net::TcpStream as Client;
use std::time::Duration;

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tradepost_websocket::{Class, Frame, Limits, Pushed, Sender};

/// Bytes of a message, and how many are sent: they fit a socket's buffers.
const MESSAGE_BYTES: usize = 256;
const MESSAGES: usize = 200;
const LIMITS: Limits = Limits {
    queue_bytes: 256 * 1024,
    queue_messages: 1_024,
    message_bytes: 64 * 1024,
};

enum Served {
    Ours(Vec<Sender>),
    Library(Vec<mpsc::Sender<Message>>),
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let is_ours = arguments.next().is_none_or(|name| name == "ours");
    let connections: usize = arguments
        .next()
        .map_or(5_000, |count| count.parse().unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let mut served = if is_ours {
        Served::Ours(Vec::with_capacity(connections))
    } else {
        Served::Library(Vec::with_capacity(connections))
    };
    let mut clients: Vec<Client> = Vec::with_capacity(connections);

    let before = resident_kib();
    for _ in 0..connections {
        clients.push(Client::connect(addr).unwrap());
        let (stream, _) = listener.accept().await.unwrap();
        served.add(stream);
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let idle = resident_kib() - before;
    println!(
        "resident KiB of a silent connection: {:.2}",
        idle / connections as f64
    );

    let before = processor_ns();
    for _ in 0..MESSAGES {
        served.tell(&"x".repeat(MESSAGE_BYTES)).await;
    }
    let each = (processor_ns() - before) / (MESSAGES * connections) as f64;
    println!("processor ns of a delivery: {each:.0}");
}

impl Served {
    fn add(&mut self, stream: TcpStream) {
        match self {
            Self::Ours(senders) => {
                let (sender, mut receiver) =
                    tradepost_websocket::server(stream, Bytes::new(), LIMITS);
                tokio::spawn(async move { while receiver.next().await.is_ok() {} });
                senders.push(sender);
            }
            Self::Library(senders) => {
                let (sender, receiver) = mpsc::channel(LIMITS.queue_messages);
                tokio::spawn(serve(stream, receiver));
                senders.push(sender);
            }
        }
    }

    /// Returns when all have been written to.
    async fn tell(&self, text: &str) {
        match self {
            Self::Ours(senders) => {
                let frame = Frame::text(text.as_bytes());
                for sender in senders {
                    assert_eq!(sender.push(&frame, Class::Must), Pushed::Taken);
                }
                assert!(senders.iter().all(|sender| sender.queued() == (0, 0)));
            }
            Self::Library(senders) => {
                let message = Message::text(text);
                for sender in senders {
                    sender.send(message.clone()).await.unwrap();
                }
                // The tasks run on this thread, and have all run when nothing waits.
                while senders
                    .iter()
                    .any(|sender| sender.capacity() < sender.max_capacity())
                {
                    tokio::task::yield_now().await;
                }
            }
        }
    }
}

/// As its users write it: a task that reads and writes, and a bounded queue. Buffers as small as
/// is sensible for messages like these.
async fn serve(stream: TcpStream, mut queue: mpsc::Receiver<Message>) {
    stream.set_nodelay(true).unwrap();
    let config = WebSocketConfig::default()
        .read_buffer_size(1024)
        .write_buffer_size(0)
        .max_write_buffer_size(LIMITS.queue_bytes)
        .max_message_size(Some(LIMITS.message_bytes));
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
    loop {
        tokio::select! {
            heard = socket.next() => if !matches!(heard, Some(Ok(_))) { return },
            Some(message) = queue.recv() => if socket.send(message).await.is_err() { return },
        }
    }
}

fn resident_kib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_ascii_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}

fn processor_ns() -> f64 {
    let times = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    times
        .split_ascii_whitespace()
        .next()
        .unwrap()
        .parse()
        .unwrap()
}
