//! The store on PostgreSQL.

mod catalogue;
mod reservations;
mod rows;
mod shelf;

use sqlx::migrate::Migrator;
use tradepost_messaging::Outbox;
use tradepost_postgres::Database;

/// The tables of this service.
pub static MIGRATOR: Migrator = sqlx::migrate!("./migrations");

/// Both stores on one database, so that a batch and its answers are one transaction.
#[derive(Clone)]
pub struct PgInventory {
    database: Database,
    outbox: Outbox,
}

impl PgInventory {
    /// A store whose answers leave through `outbox`.
    #[must_use]
    pub const fn new(database: Database, outbox: Outbox) -> Self {
        Self { database, outbox }
    }
}
