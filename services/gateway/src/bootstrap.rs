//! Puts the parts together.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::Semaphore;
use tradepost_backend::{Store, StoreSettings};
use tradepost_service::{CommonConfig, NoAdmin, Program, Runtime};
use tradepost_types::TenantId;

use crate::adapters::postgres::MIGRATOR;
use crate::config::GatewayConfig;
use crate::http::{Gateway, PortLimits, router, serve};
use crate::metrics::Metrics;
use crate::upstream::Upstreams;

/// The gateway as a program.
pub struct GatewayProgram;

impl Program for GatewayProgram {
    const NAME: &'static str = "gateway";
    const ABOUT: &'static str = "The REST API of the services behind it";
    type Config = GatewayConfig;
    type Admin = NoAdmin;

    fn common(config: &GatewayConfig) -> &CommonConfig {
        &config.server
    }

    /// Readiness does not depend on the services: a gateway that answers 503 for one of them is
    /// still the way to the others.
    async fn serve(config: GatewayConfig, runtime: Runtime) -> anyhow::Result<()> {
        let settings = StoreSettings {
            database: config.database.clone(),
            schema: &MIGRATOR,
            request_ids_kept_hours: config.identity.idempotency_retention_hours,
        };
        let store = Store::open(Self::NAME, settings, &runtime).await?;
        let tenant: TenantId = config.demo.tenant.parse().context("demo.tenant")?;
        tracing::warn!(
            event = "gateway.demo_tenant",
            tenant = %tenant,
            "nobody is asked who they are: every request is served for the demo tenant"
        );
        let metrics = Metrics::register(&runtime.registry);
        let upstreams = Upstreams::connect(&config.upstreams, tenant, &metrics)?;
        let limits = &config.limits;
        let gateway = Gateway {
            upstreams,
            metrics,
            running: Arc::new(Semaphore::new(config.server.calls_max)),
            waits: Arc::new(Semaphore::new(limits.waits_max)),
            body_read_max: Duration::from_millis(limits.body_read_ms),
            shutdown: runtime.shutdown.clone(),
        };
        let port_limits = PortLimits {
            connections_max: limits.connections_max,
            head_read_max: Duration::from_millis(limits.head_read_ms),
            linger: Duration::from_millis(limits.linger_ms),
        };
        let router = router(gateway)?;
        runtime.health.set_serving();
        let (tasks, shutdown) = (runtime.tasks.clone(), runtime.shutdown.clone());
        serve(runtime, router, port_limits).await;
        store.close(&tasks, &shutdown).await;
        Ok(())
    }
}
