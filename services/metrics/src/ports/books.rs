//! What operators ask of the books: do raw events and rollups agree, and if not, write them anew.

use std::sync::Arc;

use async_trait::async_trait;
use time::Date;
use tradepost_types::TenantId;

use super::StoreError;
use crate::rollup::Rollups;

/// A tenant's day as it stands in the books, seen at one moment.
#[derive(Debug)]
pub struct TenantDay {
    /// What the raw events add up to.
    pub raw: Rollups,
    /// What the rollups say; only the grains that are still kept.
    pub kept: Rollups,
}

/// What became of a day that is to be written anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rebuilt {
    /// Its rollups were written.
    Done {
        /// Of so many tenants.
        tenants: u64,
        /// From so many events.
        events: u64,
    },
    /// The day has no partition: its raw events are not here, and nothing was changed.
    NoRaw,
}

/// The books.
#[async_trait]
pub trait BookStore: Send + Sync {
    /// Up to `limit` days of tenants at random, of those that have rollups or may have raw events;
    /// only of the tenant or of the day, if given.
    async fn sample(
        &self,
        limit: i64,
        tenant: Option<TenantId>,
        day: Option<Date>,
    ) -> Result<Vec<(TenantId, Date)>, StoreError>;

    /// A tenant's day; none where its raw events are not here, or have left since the sample.
    async fn tenant_day(
        &self,
        tenant: TenantId,
        day: Date,
    ) -> Result<Option<TenantDay>, StoreError>;

    /// Writes the rollups of a day anew from its raw events, of one tenant or of all. What is sent
    /// meanwhile waits, and counts.
    async fn rebuild(&self, day: Date, tenant: Option<TenantId>) -> Result<Rebuilt, StoreError>;
}

/// The books as the use cases hold them.
pub type Books = Arc<dyn BookStore>;
