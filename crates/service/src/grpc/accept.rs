//! Takes connections, whatever happens.
//!
//! tonic ends its server at the first error of `accept` that it does not know, such as having no
//! file descriptor left. That passes, and must not take the process down.

use std::io;
use std::time::Duration;

use futures::Stream;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::connection::Connection;

/// How long to wait after a failure: long enough not to spin, short enough to recover.
const BACK_OFF: Duration = Duration::from_millis(100);

/// The connections of `listener`, without end and without errors.
pub(super) fn connections(
    listener: TcpListener,
    shutdown: CancellationToken,
) -> impl Stream<Item = io::Result<Connection>> {
    futures::stream::unfold((listener, shutdown), |(listener, shutdown)| async move {
        loop {
            match listener.accept().await {
                Ok((stream, _peer)) => {
                    // Without it an answer could wait 40 ms for a full packet.
                    let _ = stream.set_nodelay(true);
                    let connection = Connection::new(stream, shutdown.clone());
                    return Some((Ok(connection), (listener, shutdown)));
                }
                Err(error) if is_of_the_peer(&error) => {}
                Err(error) => {
                    tracing::warn!(event = "grpc.accept_failed", %error, "no connection taken");
                    tokio::time::sleep(BACK_OFF).await;
                }
            }
        }
    })
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
