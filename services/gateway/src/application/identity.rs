//! All of identity, put together over its ports.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tradepost_service::Tasks;

use super::access_tokens::AccessTokens;
use super::authenticator::Authenticator;
use super::current::{CurrentError, KeepCurrent};
use super::directory::Directory;
use super::log_in::LogIn;
use super::passwords::{HashError, Passwords};
use super::revocations::Revocations;
use super::sealing::{MasterKeyFault, Sealer};
use super::sessions::Sessions;
use super::signing_keys::{RotateError, SigningKeys};
use super::tenants::Tenants;
use super::users::Users;
use crate::config::IdentityConfig;
use crate::metrics::{IdentityMetrics, Metrics};
use crate::ports::identity::{IdentityFeed, KeyStore, SessionStore, TenantStore, UserStore};
use crate::ports::{KeyAuthenticator, SecondFactor};

/// How often what ran out is deleted.
const SWEEP_INTERVAL: Duration = Duration::from_secs(600);

/// Where everything is kept, and those who know other credentials.
#[derive(Clone)]
pub struct IdentityPorts {
    /// Users.
    pub users: Arc<dyn UserStore>,
    /// Sessions.
    pub sessions: Arc<dyn SessionStore>,
    /// Tenants.
    pub tenants: Arc<dyn TenantStore>,
    /// Signing keys.
    pub keys: Arc<dyn KeyStore>,
    /// What changes.
    pub feed: Arc<dyn IdentityFeed>,
    /// API keys.
    pub api_keys: Arc<dyn KeyAuthenticator>,
    /// Second factors.
    pub factors: Arc<dyn SecondFactor>,
}

/// Identity cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum IdentityFault {
    /// The master key is none.
    #[error("identity.master_key {0}")]
    MasterKey(#[from] MasterKeyFault),
    /// Passwords cannot be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
}

/// Identity has not begun.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no key that signs.
    #[error(transparent)]
    Rotate(#[from] RotateError),
    /// What is revoked, and by whom tokens are signed, is not known.
    #[error(transparent)]
    Current(#[from] CurrentError),
}

/// Who may come in.
pub struct Identity {
    /// Seals secrets.
    pub sealer: Arc<Sealer>,
    /// Hashes passwords.
    pub passwords: Arc<Passwords>,
    /// Makes and verifies access tokens.
    pub tokens: Arc<AccessTokens>,
    /// What is revoked.
    pub revocations: Arc<Revocations>,
    /// The tenants.
    pub directory: Arc<Directory>,
    /// Finds out who calls.
    pub authenticator: Arc<Authenticator>,
    /// Logs in.
    pub log_in: LogIn,
    /// Opens, refreshes and ends sessions.
    pub sessions: Sessions,
    /// Looks after users.
    pub users: Users,
    /// Looks after tenants.
    pub tenants: Tenants,
    /// Looks after signing keys.
    pub keys: SigningKeys,
    ports: IdentityPorts,
    poll: Duration,
    metrics: IdentityMetrics,
}

impl Identity {
    /// Puts it together; nothing runs yet.
    ///
    /// # Errors
    /// [`IdentityFault`].
    pub fn new(
        config: &IdentityConfig,
        ports: IdentityPorts,
        metrics: &Metrics,
    ) -> Result<Self, IdentityFault> {
        let sealer = Arc::new(Sealer::new(&config.master_key)?);
        let passwords = Arc::new(Passwords::new(config.hash_settings())?);
        let tokens = AccessTokens::new(config.token_settings(), Arc::clone(&sealer));
        let tokens = Arc::new(tokens);
        let revocations = Arc::new(Revocations::default());
        let directory = Arc::new(Directory::new(Arc::clone(&ports.tenants)));
        let authenticator = Arc::new(Authenticator::new(
            Arc::clone(&tokens),
            Arc::clone(&ports.api_keys),
            Arc::clone(&revocations),
            Arc::clone(&directory),
            metrics.identity.clone(),
        ));
        let sessions = Sessions {
            store: Arc::clone(&ports.sessions),
            users: Arc::clone(&ports.users),
            tokens: Arc::clone(&tokens),
            revocations: Arc::clone(&revocations),
            sealer: Arc::clone(&sealer),
            lifetimes: config.lifetimes(),
            metrics: metrics.clone(),
        };
        let days = config.key_rotation_days;
        Ok(Self {
            log_in: LogIn {
                users: Arc::clone(&ports.users),
                passwords: Arc::clone(&passwords),
                factors: Arc::clone(&ports.factors),
                sessions: sessions.clone(),
                metrics: metrics.clone(),
            },
            users: Users {
                store: Arc::clone(&ports.users),
                passwords: Arc::clone(&passwords),
                revocations: Arc::clone(&revocations),
                sealer: Arc::clone(&sealer),
            },
            tenants: Tenants {
                store: Arc::clone(&ports.tenants),
                passwords: Arc::clone(&passwords),
                directory: Arc::clone(&directory),
                revocations: Arc::clone(&revocations),
                sealer: Arc::clone(&sealer),
            },
            keys: SigningKeys {
                store: Arc::clone(&ports.keys),
                sealer: Arc::clone(&sealer),
                algorithm: config.algorithm.into(),
                lead: time::Duration::seconds(i64::from(config.key_lead_seconds)),
                access: config.lifetimes().access,
                age_max: (days > 0).then(|| time::Duration::days(i64::from(days))),
            },
            sealer,
            passwords,
            tokens,
            revocations,
            directory,
            authenticator,
            sessions,
            ports,
            poll: Duration::from_millis(config.poll_ms),
            metrics: metrics.identity.clone(),
        })
    }

    /// Learns everything, and keeps it current from then on.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(
        &self,
        tasks: &Tasks,
        shutdown: &CancellationToken,
    ) -> Result<(), StartError> {
        self.keys.ensure().await?;
        let current = KeepCurrent {
            feed: Arc::clone(&self.ports.feed),
            tokens: Arc::clone(&self.tokens),
            revocations: Arc::clone(&self.revocations),
            directory: Arc::clone(&self.directory),
            interval: self.poll,
            metrics: self.metrics.clone(),
        };
        current.load().await?;
        tasks.spawn("identity-feed", current.run(shutdown.clone()));
        let rotation = self.keys.clone();
        tasks.spawn("key-rotation", rotation.run(shutdown.clone()));
        let sweep = sweep(Arc::clone(&self.ports.sessions), shutdown.clone());
        tasks.spawn("session-sweep", sweep);
        Ok(())
    }

    /// Where everything is kept.
    #[must_use]
    pub const fn ports(&self) -> &IdentityPorts {
        &self.ports
    }
}

/// Deletes what ran out, now and then, until shutdown.
async fn sweep(store: Arc<dyn SessionStore>, shutdown: CancellationToken) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(SWEEP_INTERVAL) => {}
        }
        if let Err(error) = store.sweep().await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(event = "session.sweep_failed", error, "tried again later");
        }
    }
}
