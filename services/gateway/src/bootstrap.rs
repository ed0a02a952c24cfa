//! Puts the parts together.

mod limits;

use std::sync::Arc;

use anyhow::Context;
use tokio::sync::Semaphore;
use tradepost_backend::{Store, StoreSettings};
use tradepost_service::{CommonConfig, NoAdmin, Program, Runtime};
use tradepost_types::{TenantId, UserId};

use crate::adapters::postgres::MIGRATOR;
use crate::config::GatewayConfig;
use crate::demo::Demo;
use crate::http::{
    BodyPatience, Certificate, Denials, Gateway, Places, PortOptions, Proxies, router, serve,
};
use crate::metrics::Metrics;
use crate::ports::Guards;
use crate::upstream::Upstreams;

pub use limits::limiter;

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
        let user = UserId::new();
        let limiter = limiter(&config, &runtime)?;
        let guards = Demo { tenant, user }.guards(Arc::new(limiter));
        let (tasks, shutdown) = (runtime.tasks.clone(), runtime.shutdown.clone());
        let served = serve_guarded(config, runtime, guards).await;
        store.close(&tasks, &shutdown).await;
        served
    }
}

/// Serves with these guards.
///
/// Readiness does not depend on the services: a gateway that answers 503 for one of them is still
/// the way to the others.
///
/// # Errors
/// Fails when the configuration cannot be used.
pub async fn serve_guarded(
    config: GatewayConfig,
    runtime: Runtime,
    guards: Guards,
) -> anyhow::Result<()> {
    let metrics = Metrics::register(&runtime.registry);
    let upstreams = Upstreams::connect(&config.upstreams, &runtime.identity()?, &metrics)?;
    upstreams.show(&runtime.health);
    let limits = &config.limits;
    let gateway = Gateway {
        guards,
        denials: Denials::default(),
        upstreams,
        metrics,
        running: Arc::new(Semaphore::new(config.server.calls_max)),
        waits: Arc::new(Semaphore::new(limits.waits_max)),
        places: Places::new(config.sockets.clone()),
        body_patience: BodyPatience::from(limits),
        proxies: Proxies::from(&config.proxies),
        origins: Arc::new(config.cors.origins.clone()),
        shutdown: runtime.shutdown.clone(),
        tasks: runtime.tasks.clone(),
    };
    let port = PortOptions {
        limits: limits.clone(),
        certificate: Certificate::load(&config.tls).await?,
        proxies: Proxies::from(&config.proxies),
        metrics: gateway.metrics.clone(),
    };
    if let Some(certificate) = port.certificate.clone() {
        let keep_fresh = certificate.keep_fresh(port.metrics.clone(), runtime.shutdown.clone());
        runtime.tasks.spawn("certificate", keep_fresh);
    }
    let router = router(gateway)?;
    runtime.health.set_serving();
    serve(runtime, router, port).await;
    Ok(())
}
