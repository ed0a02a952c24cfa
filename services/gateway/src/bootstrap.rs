//! Puts the parts together.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::Semaphore;
use tradepost_backend::{Store, StoreSettings};
use tradepost_service::{CommonConfig, NoAdmin, Program, Runtime};
use tradepost_types::{TenantId, UserId};

use crate::adapters::postgres::MIGRATOR;
use crate::adapters::redis::RedisBuckets;
use crate::application::Limiter;
use crate::config::GatewayConfig;
use crate::demo::Demo;
use crate::http::{Gateway, PortLimits, Proxies, router, serve};
use crate::metrics::{LimitMetrics, Metrics};
use crate::ports::{Guards, SharedBuckets};
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

/// What counts requests. It does not wait for Redis.
///
/// # Errors
/// Fails when the configuration cannot be used.
pub fn limiter(config: &GatewayConfig, runtime: &Runtime) -> anyhow::Result<Limiter> {
    let limits = &config.rate_limits;
    let metrics = LimitMetrics::register(&runtime.registry);
    let mut shared: Option<Arc<dyn SharedBuckets>> = None;
    if let Some(url) = &config.redis.url {
        let budget = Duration::from_millis(limits.redis_budget_ms);
        let tasks = (&runtime.tasks, runtime.shutdown.clone());
        shared = Some(Arc::new(RedisBuckets::start(
            url,
            budget,
            metrics.clone(),
            tasks,
        )?));
    } else {
        tracing::warn!(
            event = "limits.no_redis",
            instances = limits.instances_min,
            "there is no redis.url: this gateway counts requests for itself"
        );
    }
    if !limits.enforce {
        tracing::warn!(
            event = "limits.not_enforced",
            "requests over a limit are counted and let through"
        );
    }
    Ok(Limiter::new(limits, shared, metrics))
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
    let tenant: TenantId = config.demo.tenant.parse().context("demo.tenant")?;
    let metrics = Metrics::register(&runtime.registry);
    let upstreams = Upstreams::connect(&config.upstreams, tenant, &metrics)?;
    let limits = &config.limits;
    let gateway = Gateway {
        guards,
        upstreams,
        metrics,
        running: Arc::new(Semaphore::new(config.server.calls_max)),
        waits: Arc::new(Semaphore::new(limits.waits_max)),
        body_read_max: Duration::from_millis(limits.body_read_ms),
        proxies: Proxies::from(&config.proxies),
        origins: Arc::new(config.cors.origins.clone()),
        shutdown: runtime.shutdown.clone(),
        tasks: runtime.tasks.clone(),
    };
    let port_limits = PortLimits {
        connections_max: limits.connections_max,
        head_read_max: Duration::from_millis(limits.head_read_ms),
        linger: Duration::from_millis(limits.linger_ms),
    };
    let router = router(gateway)?;
    runtime.health.set_serving();
    serve(runtime, router, port_limits).await;
    Ok(())
}
