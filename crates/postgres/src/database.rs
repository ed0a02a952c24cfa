//! The two pools of a service, never handed out: connections are lent through transactions only.

use std::time::Duration;

use secrecy::SecretString;
use sqlx::migrate::Migrator;
use sqlx::postgres::PgPoolOptions;
use tradepost_types::TenantId;

use crate::transaction::{Pool, SystemTx, TenantTx};
use crate::{DatabaseConfig, DbError, migrate};

/// A service's database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Database {
    app: Pool,
    system: Pool,
}

/// How full the pools are, for gauges: both pools together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolFigures {
    /// Open connections that wait for work.
    pub idle: usize,
    /// Open connections that are lent out.
    pub in_use: usize,
    /// The most connections that may be open.
    pub max: usize,
}

impl Database {
    /// Builds the pools without waiting for the server: connections open on first use, so a
    /// service may start before its database.
    ///
    /// # Errors
    /// [`DbError::Query`] if a URL cannot be parsed.
    pub fn connect_lazy(config: &DatabaseConfig, application_name: &str) -> Result<Self, DbError> {
        let pool = |url: &SecretString| {
            let options = config.session_options(url, application_name)?;
            let pool = PgPoolOptions::new()
                .max_connections(config.max_connections)
                .acquire_timeout(config.acquire_timeout())
                // BEGIN finds out by itself, without the extra round trip.
                .test_before_acquire(false)
                .connect_lazy_with(options);
            Ok::<_, DbError>(Pool::new(pool))
        };
        Ok(Self {
            app: pool(&config.url)?,
            system: pool(&config.system_url)?,
        })
    }

    /// Brings the schema up to date as the owner role; `extra` sets run first, each in its own
    /// schema with its own bookkeeping. Without an owner URL it only checks.
    ///
    /// # Errors
    /// [`DbError::Schema`] if the schema is newer than, older than or different from what this
    /// binary knows; [`DbError::Unavailable`] if the server cannot be reached.
    pub async fn migrate(
        config: &DatabaseConfig,
        service: &Migrator,
        extra: &[(&'static str, &Migrator)],
    ) -> Result<(), DbError> {
        migrate::migrate(config, service, extra).await
    }

    /// Begins a transaction that sees and writes only `tenant`'s rows.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] if no connection could be had in time.
    pub async fn tenant_tx(&self, tenant: TenantId) -> Result<TenantTx, DbError> {
        TenantTx::begin(&self.app, tenant).await
    }

    /// Begins a transaction that reads `tenant`'s rows as they are at its first query, however
    /// long it lasts and whatever others write; locks that come before that query are had before
    /// it sees anything. The server ends it once it has idled for `idle_max`, in place of the
    /// configured time: a reader of many pages waits for whom it reads them. An open snapshot
    /// keeps the server from clearing away old rows, so the caller sets a bound to it.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] if no connection could be had in time.
    pub async fn tenant_snapshot(
        &self,
        tenant: TenantId,
        idle_max: Duration,
    ) -> Result<TenantTx, DbError> {
        TenantTx::snapshot(&self.app, tenant, idle_max).await
    }

    /// Begins a transaction of the system role, which sees all tenants' rows.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] if no connection could be had in time.
    pub async fn system_tx(&self) -> Result<SystemTx, DbError> {
        SystemTx::begin(&self.system).await
    }

    /// Asks the server for a sign of life, through the pool that serves requests.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] if there is none in time.
    pub async fn ping(&self) -> Result<(), DbError> {
        // A transaction, because its begin passes over connections that died in the pool.
        SystemTx::begin(&self.app).await?.rollback().await;
        Ok(())
    }

    /// Waits for all lent connections, roll-backs included, and closes the pools.
    pub async fn close(&self) {
        self.app.inner.close().await;
        self.system.inner.close().await;
    }

    /// How full the pools are at this moment.
    #[must_use]
    pub fn figures(&self) -> PoolFigures {
        let pools = [&self.app, &self.system];
        let open: usize = pools.iter().map(|pool| pool.inner.size() as usize).sum();
        let idle: usize = pools.iter().map(|pool| pool.inner.num_idle()).sum();
        let max = pools
            .iter()
            .map(|pool| pool.connections_max() as usize)
            .sum();
        PoolFigures {
            idle,
            in_use: open.saturating_sub(idle),
            max,
        }
    }
}
