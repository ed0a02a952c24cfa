//! Takes connections, whatever happens.
//!
//! tonic ends its server at the first error of `accept` that it does not know, such as having no
//! file descriptor left. That passes, and must not take the process down.

use std::io;
use std::time::Duration;

use futures::Stream;
use tokio::net::{TcpListener, TcpStream};

/// How long to wait after a failure: long enough not to spin, short enough to recover.
const BACK_OFF: Duration = Duration::from_millis(100);

/// The connections of `listener`, without end and without errors.
pub(super) fn connections(listener: TcpListener) -> impl Stream<Item = io::Result<TcpStream>> {
    futures::stream::unfold(listener, |listener| async move {
        loop {
            match listener.accept().await {
                Ok((stream, _peer)) => {
                    // Without it an answer could wait 40 ms for a full packet.
                    let _ = stream.set_nodelay(true);
                    return Some((Ok(stream), listener));
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
