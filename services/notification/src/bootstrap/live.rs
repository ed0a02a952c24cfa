//! The live port: connections, the hub they hang on, and what it is told by.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tradepost_service::Runtime;
use tradepost_service::auth::Door;
use tradepost_service::client::{ClientOptions, channel};

use super::NAME;
use crate::adapters::grpc::access::GatewayAccess;
use crate::config::{AccessConfig, LiveConfig};
use crate::live::hub::Hub;
use crate::live::{Access, Live, Parts, RULE, Way};
use crate::metrics::{AccessMetrics, LiveMetrics};
use crate::ports::{Cursors, Pasts, Recents};

/// The hub of a node, which whoever tells it has too, and its instruments.
pub struct LiveHub {
    /// As the announcer and the healer hold it.
    pub hub: Arc<Hub<Way>>,
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
    /// Fails when the port cannot be bound, nobody is trusted (`server.auth.trust_path`), or
    /// `access.url` cannot be used.
    pub async fn serve(
        self,
        (config, access): (&LiveConfig, &AccessConfig),
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
            access: straight(access, runtime)?,
            metrics: self.metrics,
            tasks: runtime.tasks.clone(),
            shutdown: runtime.shutdown.clone(),
        };
        Live::start(parts, listener);
        Ok(())
    }
}

/// Who judges straight connections, if there are any.
fn straight(config: &AccessConfig, runtime: &Runtime) -> anyhow::Result<Option<Access>> {
    let Some(url) = &config.url else {
        return Ok(None);
    };
    let options = ClientOptions {
        tls: runtime.tls.clone(),
        ..ClientOptions::default()
    };
    let channel = channel(url.as_str(), &options).context("access.url cannot be used")?;
    let deadline = Duration::from_millis(config.deadline_ms);
    let judge = GatewayAccess::new(channel, runtime.identity()?, NAME, deadline);
    Ok(Some(Access {
        config: config.clone(),
        judge: Arc::new(judge),
        metrics: AccessMetrics::register(&runtime.registry),
    }))
}
