//! The audit trail in PostgreSQL.
//!
//! [`append`] and [`append_all`] belong into the transaction of the change they record, as its last
//! statements: from there to the end of the transaction nobody else appends to the same chain.

mod append;
mod months;
mod read;

use async_trait::async_trait;
use secrecy::SecretString;
use sqlx::PgConnection;
use time::Date;
use tradepost_postgres::{Database, DatabaseConfig, DbError, SystemTx, TenantTx};

use crate::domain::audit::{Chain, Entry, Head, Recorded};
use crate::ports::audit::{AuditFilter, AuditJournal, AuditStore, AuditStoreError, Kept};

pub use append::{append, append_all};

/// The trail.
#[derive(Debug, Clone)]
pub struct PgAudit {
    database: Database,
    owner_url: Option<SecretString>,
}

impl PgAudit {
    /// The trail in `database`; months are dropped as the owner that `config` names, if it does.
    #[must_use]
    pub fn new(database: Database, config: &DatabaseConfig) -> Self {
        Self {
            database,
            owner_url: config.owner_url.clone(),
        }
    }

    /// Row-level security stands behind the conditions of the queries, where there is a tenant.
    async fn reading(&self, chain: Chain) -> Result<Reading, DbError> {
        Ok(match chain {
            Chain::Tenant(tenant) => Reading::Tenant(self.database.tenant_tx(tenant).await?),
            Chain::Platform => Reading::Platform(self.database.system_tx().await?),
        })
    }
}

/// A transaction that reads one chain.
enum Reading {
    Tenant(TenantTx),
    Platform(SystemTx),
}

impl Reading {
    fn conn(&mut self) -> &mut PgConnection {
        match self {
            Self::Tenant(tx) => tx.conn(),
            Self::Platform(tx) => tx.conn(),
        }
    }

    async fn rollback(self) {
        match self {
            Self::Tenant(tx) => tx.rollback().await,
            Self::Platform(tx) => tx.rollback().await,
        }
    }
}

impl From<DbError> for AuditStoreError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Unavailable(_) | DbError::CommitUnknown(_) => Self::Unavailable(error),
            DbError::SerializationFailure(_)
            | DbError::Constraint { .. }
            | DbError::Schema(_)
            | DbError::Query(_) => Self::Refused(error),
        }
    }
}

#[async_trait]
impl AuditJournal for PgAudit {
    async fn append(&self, entries: &[Entry]) -> Result<Vec<Recorded>, AuditStoreError> {
        let mut tx = self.database.system_tx().await?;
        let recorded = append_all(tx.conn(), entries).await?;
        tx.commit().await?;
        Ok(recorded)
    }
}

#[async_trait]
impl AuditStore for PgAudit {
    async fn heads(&self) -> Result<Vec<Head>, AuditStoreError> {
        let mut tx = self.database.system_tx().await?;
        let heads = read::heads(tx.conn()).await?;
        tx.rollback().await;
        Ok(heads)
    }

    async fn read(
        &self,
        chain: Chain,
        after: i64,
        limit: u16,
    ) -> Result<Vec<Kept>, AuditStoreError> {
        let mut tx = self.reading(chain).await?;
        let rows = read::forwards(tx.conn(), chain, after, limit).await?;
        tx.rollback().await;
        read::kept(rows)
    }

    async fn list(
        &self,
        chain: Chain,
        filter: &AuditFilter,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<Kept>, AuditStoreError> {
        let mut tx = self.reading(chain).await?;
        let rows = read::backwards(tx.conn(), chain, filter, before, limit).await?;
        tx.rollback().await;
        read::kept(rows)
    }

    async fn erase_origins(&self, actor: &str) -> Result<u64, AuditStoreError> {
        let mut tx = self.database.system_tx().await?;
        let erased = months::erase_origins(tx.conn(), actor).await?;
        tx.commit().await?;
        Ok(erased)
    }

    async fn prepare(&self, months_ahead: u8) -> Result<(), AuditStoreError> {
        let mut tx = self.database.system_tx().await?;
        months::prepare(tx.conn(), months_ahead).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn months(&self) -> Result<Vec<Date>, AuditStoreError> {
        let mut tx = self.database.system_tx().await?;
        let months = months::list(tx.conn()).await?;
        tx.rollback().await;
        Ok(months)
    }

    async fn month_ends(&self, month: Date) -> Result<Vec<Head>, AuditStoreError> {
        let mut tx = self.database.system_tx().await?;
        let ends = months::ends(tx.conn(), month).await?;
        tx.rollback().await;
        Ok(ends)
    }

    async fn drop_month(&self, month: Date) -> Result<bool, AuditStoreError> {
        let Some(owner_url) = &self.owner_url else {
            return Ok(false);
        };
        months::drop(owner_url, month).await?;
        Ok(true)
    }
}
