//! The REST port: HTTP/1.1, with or without TLS, limits on connections and slow clients, and a stop
//! that drops nothing.
//!
//! It stops in three steps. For `linger` after the signal connections are still taken, but every
//! answer ends its connection, so that callers and load balancers go elsewhere. Then the port is
//! closed and connections end when they are idle. Last, those go that neither send nor read.

mod connection;
mod framing;
mod head;
mod slots;
mod tls;
mod turned_away;
mod watch;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures::FutureExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tradepost_service::{Runtime, Tasks};

use crate::config::LimitsConfig;
use crate::metrics::Metrics;
use connection::Line;
use head::HeadFault;
use slots::Slots;
use tradepost_service::proxies::{Peer, Proxies};
use turned_away::TurnedAway;
use watch::Patience;

pub use tls::Certificate;

/// How long to wait after a failed accept: having no file descriptor left passes.
const BACK_OFF: Duration = Duration::from_millis(100);

/// How a request came; the layer around it takes it out.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Arrival {
    pub(super) peer: Peer,
    /// Set when the bytes were no request: what stands in their place must not be served.
    pub(super) fault: Option<HeadFault>,
}

/// What the port is made of.
pub struct PortOptions {
    /// Limits on connections.
    pub limits: LimitsConfig,
    /// Without one the port speaks plain HTTP.
    pub certificate: Option<Arc<Certificate>>,
    /// Who may have any number of connections.
    pub proxies: Proxies,
    /// The instruments.
    pub metrics: Metrics,
}

/// Serves until shutdown; the connections then end as tasks of `runtime`.
pub async fn serve(runtime: Runtime, router: Router, options: PortOptions) {
    let PortOptions {
        limits,
        certificate,
        proxies,
        metrics,
    } = options;
    let is_encrypted = certificate.is_some();
    let port = Port {
        tasks: runtime.tasks.clone(),
        slots: Slots::new(
            limits.connections_max,
            limits.address_connections_max,
            metrics.clone(),
        ),
        turned_away: TurnedAway::new(is_encrypted, metrics.clone()),
        proxies,
        line: Arc::new(Line {
            router,
            certificate,
            patience: Patience::from(&limits),
            age_max: Duration::from_millis(limits.age_ms),
            close: CancellationToken::new(),
            metrics,
        }),
    };
    let stop = async {
        runtime.shutdown.cancelled().await;
        tokio::time::sleep(Duration::from_millis(limits.linger_ms)).await;
    };
    tokio::select! {
        () = port.take(&runtime.listener) => {}
        () = stop => {}
    }
    port.take_rest(&runtime.listener);
    drop(runtime.listener);
    port.line.close.cancel();
}

struct Port {
    tasks: Tasks,
    slots: Slots,
    turned_away: TurnedAway,
    proxies: Proxies,
    line: Arc<Line>,
}

impl Port {
    /// Takes connections without end.
    async fn take(&self, listener: &TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, from)) => self.spawn(stream, from),
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
            self.spawn(stream, from);
        }
    }

    /// Serves a connection if there is a place for it.
    fn spawn(&self, stream: TcpStream, from: SocketAddr) {
        let address = from.ip().to_canonical();
        let slot = match self.slots.take(address, self.proxies.trusts(address)) {
            Ok(slot) => slot,
            Err(full) => return self.turned_away.take(&self.tasks, stream, full),
        };
        let peer = Peer {
            address,
            is_encrypted: false,
        };
        let line = Arc::clone(&self.line);
        self.tasks
            .detach(async move { line.serve(stream, peer, slot).await });
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
