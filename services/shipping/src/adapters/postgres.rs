//! The store on PostgreSQL: one row a shipment, one transaction a method.

mod desk;
mod row;
mod store;

use sqlx::migrate::Migrator;
use tradepost_messaging::Outbox;
use tradepost_postgres::Database;

/// The tables of this service.
pub static MIGRATOR: Migrator = sqlx::migrate!("./migrations");

/// The shipments of one database.
#[derive(Clone)]
pub struct PgShipments {
    database: Database,
    outbox: Outbox,
}

impl PgShipments {
    /// A store whose news leave through `outbox`.
    #[must_use]
    pub const fn new(database: Database, outbox: Outbox) -> Self {
        Self { database, outbox }
    }
}
