//! Puts the parts together.

mod access;
mod audit;
mod limits;
mod origins;

use std::sync::Arc;

use anyhow::Context;
use tokio::sync::Semaphore;
use tradepost_backend::{Store, StoreSettings};
use tradepost_postgres::Database;
use tradepost_service::{Clock, CommonConfig, Program, Runtime};

use crate::adapters::postgres::audit::PgAudit;
use crate::adapters::postgres::{MIGRATOR, PgCredentials, PgIdentity};
use crate::application::{
    CredentialPorts, Credentials, Entrance, Identity, IdentityPorts, Keyring, Sealer, TellPlans,
};
use crate::command::{self, GatewayCommand};
use crate::config::{CredentialsConfig, GatewayConfig, IdentityConfig};
use crate::http::{
    BodyPatience, Certificate, Denials, Gateway, Hourly, Places, PortOptions, router, serve,
};
use crate::metrics::Metrics;
use crate::ports::Guards;
use crate::ports::audit::AuditStore;
use crate::upstream::Upstreams;
use origins::{AllowedOrigins, platform_origins};
use tradepost_service::proxies::Proxies;

use audit::audit_log;
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
        let (ours, theirs) = (&config.identity, &config.credentials);
        let doors = doors(ours, theirs, store.database(), &metrics)?;
        let identity = &doors.identity;
        identity.start(&runtime.tasks, &runtime.shutdown).await?;
        let entrance = Arc::new(entrance(&doors));
        let upstreams = upstreams(&config, &runtime, &metrics)?;
        if upstreams.has_metrics() {
            let plans = TellPlans {
                store: Arc::new(PgIdentity::new(store.database())),
                listener: Arc::new(upstreams.clone()),
            };
            let run = plans.run(runtime.shutdown.clone());
            runtime.tasks.spawn("tenant-plans", run);
        }
        let audit = PgAudit::new(store.database(), &config.database);
        let guards = Guards {
            limits: Arc::new(limiter(&config, &runtime)?),
            authenticate: entrance.clone(),
            directory: entrance,
            trail: Arc::new(audit_log(&config.audit, &audit, &runtime).await?),
            clock: Clock::system(),
        };
        let parts = Parts {
            guards,
            doors,
            audit: Arc::new(audit),
            upstreams,
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
fn entrance(doors: &Doors) -> Entrance {
    let identity = &doors.identity;
    Entrance {
        authenticator: Arc::clone(&identity.authenticator),
        revocations: Arc::clone(&identity.revocations),
        tenants: Arc::clone(&identity.directory),
        users: Arc::clone(&identity.ports().users),
        factors: Arc::clone(&identity.ports().factors),
        keys: Arc::clone(&doors.credentials.api_keys),
        tickets: Arc::clone(&doors.credentials.tickets),
        clock: Clock::system(),
    }
}

/// What requests are served with.
pub struct Parts {
    /// Those who are asked before a request reaches its handler.
    pub guards: Guards,
    /// Who may come in.
    pub doors: Doors,
    /// The audit trail, to be read.
    pub audit: Arc<dyn AuditStore>,
    /// The services.
    pub upstreams: Upstreams,
    /// The instruments.
    pub metrics: Metrics,
}

/// The services behind the gateway; none is asked yet.
///
/// # Errors
/// Fails when the configuration cannot be used.
pub fn upstreams(
    config: &GatewayConfig,
    runtime: &Runtime,
    metrics: &Metrics,
) -> anyhow::Result<Upstreams> {
    let (own, tls) = (runtime.identity()?, runtime.tls.clone());
    Upstreams::connect(&config.upstreams, &own, tls, metrics)
}

/// Who may come in, and by what.
#[derive(Clone)]
pub struct Doors {
    /// Users, sessions, tokens, tenants.
    pub identity: Arc<Identity>,
    /// API keys, second factors, OAuth.
    pub credentials: Arc<Credentials>,
}

/// Identity over the gateway's database; it is not asked for anything yet.
///
/// # Errors
/// Fails when the configuration cannot be used.
pub fn identity(
    identity: &IdentityConfig,
    credentials: &CredentialsConfig,
    database: Database,
    metrics: &Metrics,
) -> anyhow::Result<Identity> {
    let (identity, _keyring) = over(identity, credentials, database, metrics)?;
    Ok(identity)
}

/// As [`identity`], with all that rests on it.
///
/// # Errors
/// Fails when the configuration cannot be used.
pub fn doors(
    identity: &IdentityConfig,
    credentials: &CredentialsConfig,
    database: Database,
    metrics: &Metrics,
) -> anyhow::Result<Doors> {
    let (issuer, login_url) = (identity.issuer(), credentials.login_url.clone());
    let (identity, keyring) = over(identity, credentials, database, metrics)?;
    let credentials = Credentials::new(keyring, &identity, issuer, login_url);
    Ok(Doors {
        identity: Arc::new(identity),
        credentials: Arc::new(credentials),
    })
}

fn over(
    identity: &IdentityConfig,
    credentials: &CredentialsConfig,
    database: Database,
    metrics: &Metrics,
) -> anyhow::Result<(Identity, Keyring)> {
    let store = Arc::new(PgIdentity::new(database.clone()));
    let stored = Arc::new(PgCredentials::new(database));
    let ports = CredentialPorts {
        api_keys: stored.clone(),
        clients: stored.clone(),
        codes: stored.clone(),
        factors: stored.clone(),
        tickets: stored,
        users: store.clone(),
    };
    let sealer = Sealer::new(&identity.master_key).context("identity.master_key")?;
    let mode = credentials.key_mode.into();
    let keyring = Keyring::new(ports, &Arc::new(sealer), mode);
    let ports = IdentityPorts {
        users: store.clone(),
        sessions: store.clone(),
        tenants: store.clone(),
        keys: store.clone(),
        feed: store,
        api_keys: keyring.callers.clone(),
        factors: keyring.factors.clone(),
    };
    Ok((Identity::new(identity, ports, metrics)?, keyring))
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
        doors,
        audit,
        upstreams,
        metrics,
    } = parts;
    upstreams.show(&runtime.health);
    let limits = &config.limits;
    let origins = Arc::new(AllowedOrigins {
        own: platform_origins(&config),
        directory: Arc::clone(&doors.identity.directory),
    });
    let gateway = Arc::new(Gateway {
        identity: doors.identity,
        credentials: doors.credentials,
        guards,
        audit,
        denials: Denials::default(),
        hourly: Hourly::default(),
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
    });
    access::serve(&config.access, &gateway, &runtime).await?;
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
