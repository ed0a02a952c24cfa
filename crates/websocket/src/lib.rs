//! The server's side of a WebSocket, for many connections that are mostly silent.
//!
//! A [`Frame`] is framed once and shared by all who get it. A [`Sender`] writes at once, on the
//! caller's thread, while nothing waits; what the socket does not take waits in a bounded queue, by
//! its [`Class`]. A [`Receiver`] has the connection's messages and drives its queue; it has no
//! buffer of its own, so that a silent connection costs its socket and a few hundred bytes.
//!
//! Only text messages are read, nothing is compressed, and the upgrade is the caller's. ADR 0039
//! says why this is not a library.

mod connection;
mod decoder;
mod ending;
mod frame;
mod handshake;
mod outbox;
mod queue;
mod receiver;
mod socket;

use bytes::Bytes;
use tokio::net::TcpStream;

pub use crate::connection::{Pushed, Sender};
pub use crate::frame::Frame;
pub use crate::handshake::accept_key;
pub use crate::outbox::{Class, Limits};
pub use crate::queue::Queue;
pub use crate::receiver::{End, Receiver};

/// The two sides of a connection that was upgraded; `already_read` is what came after the request's
/// head. The [`Receiver`] has to be asked for messages all the time: it writes what waits, too.
#[must_use]
pub fn server(stream: TcpStream, already_read: Bytes, limits: Limits) -> (Sender, Receiver) {
    // A frame is a whole message. Where the system refuses, it is only slower.
    let _ = stream.set_nodelay(true);
    connection::open(stream, already_read, limits)
}
