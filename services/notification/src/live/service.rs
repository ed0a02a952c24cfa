//! Puts the hub, the port and what turns beside them together.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tradepost_notifications::stream::Stream;
use tradepost_service::auth::{Door, Rule};
use tradepost_service::{Clock, Tasks};

use super::desk::Desk;
use super::hub::{Hub, backlog_bytes_max};
use super::reads::Reads;
use super::straight::{Access, Straight};
use super::{Way, drain, port, wheel};
use crate::config::LiveConfig;
use crate::metrics::LiveMetrics;
use crate::ports::{Cursors, Pasts, Portion, Reader, Recents};

/// What opens a connection: the right to one's own notifications.
pub const RULE: Rule = Rule::of_tenant("Live", "notifications:read");

/// What connections are served with.
pub struct Parts {
    /// Their limits.
    pub config: LiveConfig,
    /// Whoever else tells the hub holds it too.
    pub hub: Arc<Hub<Way>>,
    /// The database.
    pub past: Pasts,
    /// Redis, if there is one.
    pub recent: Option<Recents>,
    /// Where it is kept how far people have read.
    pub cursors: Cursors,
    /// Whose tokens are believed.
    pub door: Door,
    /// Who judges those who come without the gateway; nobody does, if none.
    pub access: Option<Access>,
    /// The instruments, which the hub has too.
    pub metrics: LiveMetrics,
    /// What shutdown waits for.
    pub tasks: Tasks,
    /// When clients are to be sent away.
    pub shutdown: CancellationToken,
}

/// The connections of this node.
pub struct Live {
    pub(super) config: LiveConfig,
    pub(super) hub: Arc<Hub<Way>>,
    pub(super) desk: Desk,
    pub(super) metrics: LiveMetrics,
    pub(super) clock: Clock,
    pub(super) tasks: Tasks,
    pub(super) shutdown: CancellationToken,
    pub(super) door: Door,
    pub(super) straight: Option<Arc<Straight>>,
    reads: Arc<Reads>,
}

impl Live {
    /// Serves connections at `listener` until shutdown, then sends them away.
    pub fn start(parts: Parts, listener: TcpListener) {
        let Parts {
            tasks,
            shutdown,
            hub,
            past,
            config,
            ..
        } = &parts;
        let heartbeat = Duration::from_millis(config.heartbeat_ms);
        let over = Duration::from_millis(config.drain_ms);
        // They go on while clients are sent away.
        let drained = CancellationToken::new();
        let beat = wheel::beat(Arc::clone(hub), heartbeat, drained.clone());
        tasks.spawn("live-heartbeat", beat);
        let look = wheel::look(Arc::clone(hub), Arc::clone(past), drained.clone());
        tasks.spawn("live-look", look);
        let ended = drained.clone();
        let (hub, shutdown) = (Arc::clone(hub), shutdown.clone());
        tasks.spawn("live-drain", async move {
            shutdown.cancelled().await;
            drain::drain(hub, over).await;
            drained.cancel();
        });
        let tasks = tasks.clone();
        let live = Arc::new(Self::new(parts, &ended));
        tasks.spawn("live-port", port::serve(live, listener));
    }

    fn new(parts: Parts, drained: &CancellationToken) -> Self {
        let portion = Portion {
            entries: parts.config.resume_max,
            bytes: backlog_bytes_max(&parts.config),
        };
        let straight = parts
            .access
            .map(|access| Straight::start(access, &parts.tasks, drained));
        let reads = Reads::new(parts.cursors);
        let moving = Arc::clone(&reads).run(drained.clone());
        parts.tasks.spawn("live-reads", moving);
        Self {
            desk: Desk::new(&parts.tasks, parts.past, parts.recent, portion),
            config: parts.config,
            hub: parts.hub,
            metrics: parts.metrics,
            clock: Clock::system(),
            tasks: parts.tasks,
            shutdown: parts.shutdown,
            door: parts.door,
            straight,
            reads,
        }
    }

    /// Moves read cursors, beside the connection: a slow database must not hold up its messages.
    pub(super) fn read(&self, reader: &Reader, streams: Vec<(Stream, u64)>) {
        if !streams.is_empty() {
            self.reads.put(reader, streams);
        }
    }
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live")
            .field("hub", &self.hub)
            .finish_non_exhaustive()
    }
}
