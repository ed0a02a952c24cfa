//! Takes connections, whatever happens.
//!
//! tonic ends its server at the first error of `accept` that it does not know, such as having no
//! file descriptor left. That passes, and must not take the process down.

use std::io;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, Stream, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::connection::Connection;
use crate::tls::Tls;

/// How long to wait after a failure: long enough not to spin, short enough to recover.
const BACK_OFF: Duration = Duration::from_millis(100);
/// How long a TLS handshake may take.
const HANDSHAKE_MAX: Duration = Duration::from_secs(5);
/// How many handshakes may be under way; more connections wait in the backlog of the port.
const HANDSHAKES_MAX: usize = 256;

/// The connections of `listener`, without end and without errors; with `tls` those of callers
/// whose certificate is taken.
pub(super) fn connections(
    listener: TcpListener,
    tls: Option<Tls>,
    shutdown: CancellationToken,
) -> impl Stream<Item = io::Result<Connection>> {
    let port = Port {
        listener,
        tls,
        shutdown,
        handshakes: FuturesUnordered::new(),
    };
    futures::stream::unfold(port, |mut port| async move {
        let connection = port.next().await;
        Some((Ok(connection), port))
    })
}

struct Port {
    listener: TcpListener,
    tls: Option<Tls>,
    shutdown: CancellationToken,
    handshakes: FuturesUnordered<BoxFuture<'static, Option<Connection>>>,
}

impl Port {
    async fn next(&mut self) -> Connection {
        loop {
            let room = self.handshakes.len() < HANDSHAKES_MAX;
            let stream = tokio::select! {
                Some(ended) = self.handshakes.next(), if !self.handshakes.is_empty() => match ended {
                    Some(connection) => return connection,
                    None => continue,
                },
                accepted = self.listener.accept(), if room => match accepted {
                    Ok((stream, _peer)) => stream,
                    Err(error) if is_of_the_peer(&error) => continue,
                    Err(error) => {
                        tracing::warn!(event = "grpc.accept_failed", %error, "no connection taken");
                        tokio::time::sleep(BACK_OFF).await;
                        continue;
                    }
                },
            };
            // Without it an answer could wait 40 ms for a full packet.
            let _ = stream.set_nodelay(true);
            match self.tls.clone() {
                None => return Connection::plain(stream, self.shutdown.clone()),
                Some(tls) => {
                    let handshake = shake_hands(tls, stream, self.shutdown.clone());
                    self.handshakes.push(handshake.boxed());
                }
            }
        }
    }
}

async fn shake_hands(
    tls: Tls,
    stream: TcpStream,
    shutdown: CancellationToken,
) -> Option<Connection> {
    let handshake = tls.acceptor().accept(stream);
    let error = match tokio::time::timeout(HANDSHAKE_MAX, handshake).await {
        Ok(Ok(stream)) => return Some(Connection::secure(stream, shutdown)),
        Ok(Err(error)) => error.to_string(),
        Err(elapsed) => elapsed.to_string(),
    };
    tracing::info!(
        event = "grpc.handshake_failed",
        error,
        "a connection was not taken"
    );
    None
}

/// The peer went away before it was accepted: nothing of ours is at fault.
fn is_of_the_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}
