//! Where the audit trail is kept, and where its checkpoints go.

use async_trait::async_trait;
use time::{Date, OffsetDateTime};

use crate::domain::audit::{
    Chain, Checkpoint, Entry, Head, Origin, Outcome, Recorded, Salt, Sealed,
};

/// Why the trail could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum AuditStoreError {
    /// The database cannot be had now: the whole call may be made again later.
    #[error("the audit trail is unavailable")]
    Unavailable(#[source] tradepost_postgres::DbError),
    /// A chain was locked for too long, or one of the entries cannot be written: what else is in
    /// the call may succeed alone.
    #[error("the audit trail refused an entry")]
    Refused(#[source] tradepost_postgres::DbError),
    /// A row that this binary cannot read.
    #[error("the audit trail has a row that cannot be read: {0}")]
    Faulty(String),
}

/// Which entries of a chain are asked for; what is absent does not matter.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Who.
    pub actor: Option<String>,
    /// What.
    pub action: Option<String>,
    /// On what.
    pub object: Option<String>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Not before.
    pub from: Option<OffsetDateTime>,
    /// Before.
    pub until: Option<OffsetDateTime>,
}

/// An entry, and where it came from as far as that is still known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The entry.
    pub entry: Sealed,
    /// Where it came from, with the salt of its digest.
    pub origin: Option<SaltedOrigin>,
}

impl Kept {
    /// Whether what stands beside the chain is what was sealed. What was erased is no fault.
    #[must_use]
    pub fn origin_is_intact(&self) -> bool {
        let Some(kept) = &self.origin else {
            return true;
        };
        let salt = Salt::try_from(kept.salt.as_slice()).ok();
        let digest = salt
            .zip(kept.origin())
            .map(|(salt, origin)| origin.digest(&salt));
        digest.is_some() && digest == self.entry.origin_digest
    }
}

/// What stands beside the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaltedOrigin {
    /// The salt of the digest inside the chain.
    pub salt: Vec<u8>,
    /// The client's address.
    pub address: Option<String>,
    /// What the client called itself.
    pub user_agent: Option<String>,
}

impl SaltedOrigin {
    /// What was sealed, if it can be read.
    #[must_use]
    pub fn origin(&self) -> Option<Origin> {
        let address = match &self.address {
            None => None,
            Some(address) => Some(address.parse().ok()?),
        };
        Some(Origin {
            address,
            user_agent: self.user_agent.clone(),
        })
    }
}

/// Where entries are written.
#[async_trait]
pub trait AuditJournal: Send + Sync {
    /// Appends entries, all or none; answers in their order.
    async fn append(&self, entries: &[Entry]) -> Result<Vec<Recorded>, AuditStoreError>;
}

/// What is kept of them.
#[async_trait]
pub trait AuditStore: Send + Sync {
    /// The ends of all chains.
    async fn heads(&self) -> Result<Vec<Head>, AuditStoreError>;

    /// Entries of a chain behind `after`, in order, at most `limit`.
    async fn read(
        &self,
        chain: Chain,
        after: i64,
        limit: u16,
    ) -> Result<Vec<Kept>, AuditStoreError>;

    /// Entries of a chain, newest first, before `before`, at most `limit`.
    async fn list(
        &self,
        chain: Chain,
        filter: &AuditFilter,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<Kept>, AuditStoreError>;

    /// Forgets where an actor's entries came from, in all chains; answers how many.
    async fn erase_origins(&self, actor: &str) -> Result<u64, AuditStoreError>;

    /// Makes the partitions of this month and of the months ahead.
    async fn prepare(&self, months_ahead: u8) -> Result<(), AuditStoreError>;

    /// The first days of the past months that the trail has partitions for, oldest first. What is
    /// past, the database's clock says.
    async fn months(&self) -> Result<Vec<Date>, AuditStoreError>;

    /// The last entries of each chain in a month.
    async fn month_ends(&self, month: Date) -> Result<Vec<Head>, AuditStoreError>;

    /// Drops a month. Only the owner of the tables can; `false` if this process is not one.
    async fn drop_month(&self, month: Date) -> Result<bool, AuditStoreError>;
}

/// Why a checkpoint could not be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The files cannot be written or read.
    #[error("the checkpoints' files cannot be used")]
    Files(#[from] std::io::Error),
}

/// Where checkpoints go: signed, and outside the database.
#[async_trait]
pub trait CheckpointVault: Send + Sync {
    /// Signs and keeps checkpoints; when it returns they survive a loss of power.
    async fn keep(&self, checkpoints: &[Checkpoint]) -> Result<(), VaultError>;

    /// The checkpoints that are kept and whose signature is good.
    async fn load(&self) -> Result<Vec<Checkpoint>, VaultError>;
}
