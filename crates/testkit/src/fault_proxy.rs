//! A TCP proxy that misbehaves on command: it stands between a service and its database, broker or
//! peer, and is the network that fails.

mod link;

use std::net::SocketAddr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use url::Url;

use crate::free_port;

/// What the network does. "Connections" are old and new ones unless it says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// All is well.
    None,
    /// Every byte arrives this much later, in both directions.
    Latency(Duration),
    /// Connections open but nothing passes; what was sent arrives when the fault is lifted.
    Blackhole,
    /// New connections are refused; old ones live on.
    Refuse,
    /// A connection is reset once it has carried so many bytes from client to server.
    CutAfterBytes(usize),
    /// A connection is reset as soon as the client's bytes contain these: they reach the server,
    /// but no answer comes back. With `commit` it makes the outcome of a transaction unknown.
    CutAfterRequest(&'static [u8]),
    /// Connections are reset at once.
    Reset,
}

/// The proxy; it stops, and its connections are reset, when it is dropped.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    fault: watch::Sender<Fault>,
    cuts: watch::Sender<u64>,
    task: JoinHandle<()>,
}

impl FaultProxy {
    /// Starts a proxy on a free port of 127.0.0.1 before `upstream`.
    ///
    /// # Panics
    /// If no port can be bound.
    #[expect(
        clippy::disallowed_methods,
        reason = "the proxy owns its task and aborts it"
    )]
    pub async fn start(upstream: SocketAddr) -> Self {
        // One that stays ours while it is closed: a proxy that refuses comes back to it.
        let bound = TcpListener::bind(("127.0.0.1", free_port())).await;
        let (listener, address) = match bound.and_then(|l| l.local_addr().map(|a| (l, a))) {
            Ok(bound) => bound,
            Err(error) => panic!("the fault proxy cannot listen: {error}"),
        };
        let fault = watch::Sender::new(Fault::None);
        let cuts = watch::Sender::new(0);
        let signals = Signals {
            fault: fault.subscribe(),
            cuts: cuts.subscribe(),
        };
        let task = tokio::spawn(accept(Some(listener), address, upstream, signals));
        Self {
            address,
            fault,
            cuts,
            task,
        }
    }

    /// Starts a proxy before the server that a URL with host 127.0.0.1 names.
    ///
    /// # Panics
    /// If the text is no URL with a port.
    pub async fn before(url: &SecretString) -> Self {
        let port = Url::parse(url.expose_secret())
            .ok()
            .and_then(|url| url.port());
        let Some(port) = port else {
            panic!("a proxy needs a URL with a port")
        };
        Self::start(SocketAddr::from(([127, 0, 0, 1], port))).await
    }

    /// Where the proxy listens.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.address
    }

    /// The same URL, but through the proxy.
    ///
    /// # Panics
    /// If the text is no URL with a host.
    #[must_use]
    pub fn rewrite(&self, url: &SecretString) -> SecretString {
        let rewritten = Url::parse(url.expose_secret()).ok().and_then(|mut url| {
            url.set_host(Some("127.0.0.1")).ok()?;
            url.set_port(Some(self.address.port())).ok()?;
            Some(url.to_string())
        });
        match rewritten {
            Some(url) => url.into(),
            None => panic!("a proxy needs a URL with a host"),
        }
    }

    /// Sets what the network does from now on.
    pub fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }

    /// Resets all connections of this moment; new ones are treated as the fault says.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a connection listens to.
#[derive(Debug, Clone)]
struct Signals {
    fault: watch::Receiver<Fault>,
    cuts: watch::Receiver<u64>,
}

impl Signals {
    fn fault(&self) -> Fault {
        self.fault.borrow().clone()
    }
}

/// Accepts until aborted; dropping the set aborts the connections.
async fn accept(
    mut listener: Option<TcpListener>,
    address: SocketAddr,
    upstream: SocketAddr,
    mut signals: Signals,
) {
    let mut links = JoinSet::new();
    loop {
        if signals.fault() == Fault::Refuse {
            // Only a closed port refuses.
            listener = None;
        } else if listener.is_none() {
            listener = TcpListener::bind(address).await.ok();
        }
        let accepted = async {
            match &listener {
                Some(listener) => listener.accept().await.ok(),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = signals.fault.changed() => if changed.is_err() { return },
            client = accepted => if let Some((client, _)) = client {
                links.spawn(link::run(client, upstream, signals.clone()));
            },
            Some(_ended) = links.join_next() => {}
        }
    }
}
