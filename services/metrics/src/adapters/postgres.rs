//! The store on PostgreSQL.

mod archive;
mod books;
mod by_plan;
mod copy;
mod daily;
mod days;
mod event_types;
mod ledger;
mod raw;
mod reports;
mod rollups;
mod store;
mod times;
mod upkeep;
mod versions;
mod whole_by_plan;

use std::sync::Arc;

use sqlx::migrate::Migrator;
use tradepost_postgres::Database;

use crate::ports::StoreLimits;
use event_types::EventTypes;

/// The tables of this service.
pub static MIGRATOR: Migrator = sqlx::migrate!("./migrations");

/// Events and rollups on one database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PgAnalytics {
    database: Database,
    types: Arc<EventTypes>,
    limits: StoreLimits,
}

impl PgAnalytics {
    /// A store within these limits.
    #[must_use]
    pub fn new(database: Database, limits: StoreLimits) -> Self {
        Self {
            database,
            types: Arc::new(EventTypes::new(limits.event_types_max)),
            limits,
        }
    }
}
