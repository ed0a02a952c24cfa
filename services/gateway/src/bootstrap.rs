//! Puts the parts together.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::Semaphore;
use tradepost_backend::{Store, StoreSettings};
use tradepost_postgres::Database;
use tradepost_service::{Clock, CommonConfig, Program, Runtime};
use tradepost_types::{TenantId, UserId};

use crate::adapters::guards::Known;
use crate::adapters::postgres::{MIGRATOR, PgIdentity};
use crate::application::{Identity, IdentityPorts};
use crate::command::{self, GatewayCommand};
use crate::config::GatewayConfig;
use crate::demo::Demo;
use crate::http::{Gateway, PortLimits, Proxies, router, serve};
use crate::metrics::Metrics;
use crate::ports::{Guards, NoKeys, NoSecondFactor};
use crate::upstream::Upstreams;

/// The gateway as a program.
pub struct GatewayProgram;

impl Program for GatewayProgram {
    const NAME: &'static str = "gateway";
    const ABOUT: &'static str = "The REST API of the services behind it";
    type Config = GatewayConfig;
    type Admin = GatewayCommand;

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
        let metrics = Metrics::register(&runtime.registry);
        let identity = Arc::new(identity(&config, store.database(), &metrics)?);
        identity.start(&runtime.tasks, &runtime.shutdown).await?;
        let known = Arc::new(Known::new(Arc::clone(&identity), Clock::system()));
        let tenant: TenantId = config.demo.tenant.parse().context("demo.tenant")?;
        let user = UserId::new();
        let guards = Guards {
            authenticate: known.clone(),
            directory: known,
            ..Demo { tenant, user }.guards()
        };
        let parts = Parts {
            guards,
            identity,
            metrics,
        };
        let (tasks, shutdown) = (runtime.tasks.clone(), runtime.shutdown.clone());
        let served = serve_guarded(config, runtime, parts).await;
        store.close(&tasks, &shutdown).await;
        served
    }

    async fn admin(config: GatewayConfig, command: GatewayCommand) -> anyhow::Result<()> {
        command::run(command, &config).await
    }
}

/// What requests are served with.
pub struct Parts {
    /// Those who are asked before a request reaches its handler.
    pub guards: Guards,
    /// Who may come in.
    pub identity: Arc<Identity>,
    /// The instruments.
    pub metrics: Metrics,
}

/// Identity over the gateway's database; it is not asked for anything yet.
///
/// # Errors
/// Fails when the configuration cannot be used.
pub fn identity(
    config: &GatewayConfig,
    database: Database,
    metrics: &Metrics,
) -> anyhow::Result<Identity> {
    let store = Arc::new(PgIdentity::new(database));
    let ports = IdentityPorts {
        users: store.clone(),
        sessions: store.clone(),
        tenants: store.clone(),
        keys: store.clone(),
        feed: store,
        api_keys: Arc::new(NoKeys),
        factors: Arc::new(NoSecondFactor),
    };
    Ok(Identity::new(&config.identity, ports, metrics)?)
}

/// Serves with these parts.
///
/// Readiness does not depend on the services: a gateway that answers 503 for one of them is still
/// the way to the others.
///
/// # Errors
/// Fails when the configuration cannot be used.
pub async fn serve_guarded(
    config: GatewayConfig,
    runtime: Runtime,
    parts: Parts,
) -> anyhow::Result<()> {
    let Parts {
        guards,
        identity,
        metrics,
    } = parts;
    let tenant: TenantId = config.demo.tenant.parse().context("demo.tenant")?;
    let upstreams = Upstreams::connect(&config.upstreams, tenant, &metrics)?;
    let limits = &config.limits;
    let gateway = Gateway {
        identity,
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
