//! The REST port: HTTP/1.1, limits on connections and slow senders, and a stop that drops nothing.
//!
//! It stops in three steps. For `linger` after the signal connections are still taken, but every
//! answer ends its connection, so that callers and load balancers go elsewhere. Then the port is
//! closed and connections end when they are idle. Last, those go that neither send nor read.

#[expect(dead_code, reason = "the reader of heads comes with the next step")]
mod head;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use futures::FutureExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::Service;
use tradepost_service::{Runtime, Tasks};

use super::client::Peer;
use head::HeadFault;

/// The largest head of a request, and what is read of a connection at once.
const BUFFER_BYTES_MAX: usize = 64 * 1024;
/// How long to wait after a failed accept: having no file descriptor left passes.
const BACK_OFF: Duration = Duration::from_millis(100);
/// How long a connection without a running request may last when the port is closed.
const PATIENCE: Duration = Duration::from_secs(2);

/// How a request came; the layer around it takes it out.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Arrival {
    pub(super) peer: Peer,
    /// Set when the bytes were no request: what stands in their place must not be served.
    pub(super) fault: Option<HeadFault>,
}

/// Limits of the port.
#[derive(Debug, Clone)]
pub struct PortLimits {
    /// How many connections may be open.
    pub connections_max: usize,
    /// How long the head of a request may take to arrive.
    pub head_read_max: Duration,
    /// How long connections are taken after the signal to stop.
    pub linger: Duration,
}

/// Serves until shutdown; the connections then end as tasks of `runtime`.
pub async fn serve(runtime: Runtime, router: Router, limits: PortLimits) {
    let port = Port {
        tasks: runtime.tasks.clone(),
        router,
        head_read_max: limits.head_read_max,
        close: CancellationToken::new(),
    };
    let slots = Arc::new(Semaphore::new(limits.connections_max));
    let stop = async {
        runtime.shutdown.cancelled().await;
        tokio::time::sleep(limits.linger).await;
    };
    tokio::select! {
        () = port.take(&runtime.listener, &slots) => {}
        () = stop => {}
    }
    port.take_rest(&runtime.listener);
    drop(runtime.listener);
    port.close.cancel();
}

struct Port {
    tasks: Tasks,
    router: Router,
    head_read_max: Duration,
    close: CancellationToken,
}

impl Port {
    /// Takes connections without end.
    async fn take(&self, listener: &TcpListener, slots: &Arc<Semaphore>) {
        loop {
            let Ok(slot) = Arc::clone(slots).acquire_owned().await else {
                return;
            };
            match listener.accept().await {
                Ok((stream, from)) => self.spawn(stream, from.ip(), slot),
                Err(error) if is_of_the_peer(&error) => {}
                Err(error) => {
                    tracing::warn!(event = "gateway.accept_failed", %error, "no connection taken");
                    tokio::time::sleep(BACK_OFF).await;
                }
            }
        }
    }

    /// Takes what is connected already: the kernel would reset it.
    fn take_rest(&self, listener: &TcpListener) {
        while let Some(Ok((stream, from))) = listener.accept().now_or_never() {
            self.spawn(stream, from.ip(), ());
        }
    }

    /// Serves a connection; `held` is given back with its end.
    fn spawn<T: Send + 'static>(&self, stream: TcpStream, from: IpAddr, held: T) {
        // Without it an answer could wait 40 ms for a full packet.
        let _ = stream.set_nodelay(true);
        let router = self.router.clone();
        let close = self.close.clone();
        let head_read_max = self.head_read_max;
        self.tasks.detach(async move {
            let peer = Peer {
                address: from.to_canonical(),
                is_encrypted: false,
            };
            drive(stream, peer, router, head_read_max, close).await;
            drop(held);
        });
    }
}

async fn drive(
    stream: TcpStream,
    peer: Peer,
    router: Router,
    head_read_max: Duration,
    close: CancellationToken,
) {
    // Lent to each running request.
    let busy = Arc::new(());
    let lent = Arc::clone(&busy);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request
            .extensions_mut()
            .insert(Arrival { peer, fault: None });
        let running = Arc::clone(&lent);
        let answer = router.clone().call(request);
        async move {
            let answer = answer.await;
            drop(running);
            answer
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_read_max)
        .max_buf_size(BUFFER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        _ended = connection.as_mut() => return,
        () = close.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    while tokio::time::timeout(PATIENCE, connection.as_mut())
        .await
        .is_err()
    {
        let is_idle = Arc::strong_count(&busy) <= 2;
        if is_idle {
            return;
        }
    }
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
