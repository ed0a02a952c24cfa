//! Puts the parts together.

mod limits;
mod origins;

use std::sync::Arc;

use anyhow::Context;
use tokio::sync::Semaphore;
use tradepost_backend::{Store, StoreSettings};
use tradepost_postgres::Database;
use tradepost_service::{Clock, CommonConfig, Program, Runtime};
use tradepost_types::{TenantId, UserId};

use crate::adapters::postgres::{MIGRATOR, PgIdentity};
use crate::application::{Entrance, Identity, IdentityPorts};
use crate::command::{self, GatewayCommand};
use crate::config::{GatewayConfig, IdentityConfig};
use crate::demo::Demo;
use crate::http::{
    BodyPatience, Certificate, Denials, Gateway, Places, PortOptions, Proxies, router, serve,
};
use crate::metrics::Metrics;
use crate::ports::{Guards, NoKeys, NoSecondFactor};
use crate::upstream::Upstreams;
use origins::AllowedOrigins;

pub use limits::limiter;

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
        let identity = Arc::new(identity(&config.identity, store.database(), &metrics)?);
        identity.start(&runtime.tasks, &runtime.shutdown).await?;
        let entrance = Arc::new(entrance(&identity));
        let tenant: TenantId = config.demo.tenant.parse().context("demo.tenant")?;
        let user = UserId::new();
        let limiter = limiter(&config, &runtime)?;
        let guards = Guards {
            authenticate: entrance.clone(),
            directory: entrance,
            ..Demo { tenant, user }.guards(Arc::new(limiter))
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

/// Identity as the gate sees it.
fn entrance(identity: &Identity) -> Entrance {
    Entrance {
        authenticator: Arc::clone(&identity.authenticator),
        revocations: Arc::clone(&identity.revocations),
        tenants: Arc::clone(&identity.directory),
        users: Arc::clone(&identity.ports().users),
        factors: Arc::clone(&identity.ports().factors),
        clock: Clock::system(),
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
    config: &IdentityConfig,
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
    Ok(Identity::new(config, ports, metrics)?)
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
    let upstreams = Upstreams::connect(&config.upstreams, &runtime.identity()?, &metrics)?;
    upstreams.show(&runtime.health);
    let limits = &config.limits;
    let origins = Arc::new(AllowedOrigins {
        own: config.cors.origins.clone(),
        directory: Arc::clone(&identity.directory),
    });
    let gateway = Gateway {
        identity,
        guards,
        denials: Denials::default(),
        upstreams,
        metrics,
        running: Arc::new(Semaphore::new(config.server.calls_max)),
        waits: Arc::new(Semaphore::new(limits.waits_max)),
        places: Places::new(config.sockets.clone()),
        body_patience: BodyPatience::from(limits),
        proxies: Proxies::from(&config.proxies),
        origins,
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
