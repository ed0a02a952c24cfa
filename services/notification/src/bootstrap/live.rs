//! The live port: connections, the hub they hang on, and what it is told by.

use std::sync::Arc;

use anyhow::Context;
use tokio::net::TcpListener;
use tradepost_service::Runtime;
use tradepost_service::auth::Door;
use tradepost_websocket::Sender;

use crate::config::LiveConfig;
use crate::live::hub::Hub;
use crate::live::{Live, Parts, RULE};
use crate::metrics::LiveMetrics;
use crate::ports::{Cursors, Pasts, Recents};

/// The hub of a node, which whoever tells it has too, and its instruments.
pub struct LiveHub {
    /// As the announcer and the healer hold it.
    pub hub: Arc<Hub<Sender>>,
    metrics: LiveMetrics,
}

impl LiveHub {
    /// A hub without connections.
    #[must_use]
    pub fn new(config: &LiveConfig, runtime: &Runtime) -> Self {
        let metrics = LiveMetrics::register(&runtime.registry);
        let hub = Arc::new(Hub::new(config, metrics.clone()));
        Self { hub, metrics }
    }

    /// Takes connections from now on until shutdown.
    ///
    /// # Errors
    /// Fails when the port cannot be bound, or nobody is trusted (`server.auth.trust_path`).
    pub async fn serve(
        self,
        config: &LiveConfig,
        runtime: &Runtime,
        (past, recent, cursors): (Pasts, Option<Recents>, Cursors),
    ) -> anyhow::Result<()> {
        let addr = config.listen_addr;
        let listener = TcpListener::bind(addr)
            .await
            .with_context(|| format!("cannot listen on live.listen_addr = {addr}"))?;
        let parts = Parts {
            config: config.clone(),
            hub: self.hub,
            past,
            recent,
            cursors,
            door: Door::open(runtime, RULE)?,
            metrics: self.metrics,
            tasks: runtime.tasks.clone(),
            shutdown: runtime.shutdown.clone(),
        };
        Live::start(parts, listener);
        Ok(())
    }
}
