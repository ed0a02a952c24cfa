//! The store on PostgreSQL: one row a shipment, one transaction a method.

mod alarm;
mod desk;
mod row;
mod store;

use sqlx::migrate::Migrator;
use tradepost_messaging::Outbox;
use tradepost_postgres::Database;

use alarm::Alarm;

/// The tables of this service.
pub static MIGRATOR: Migrator = sqlx::migrate!("./migrations");

/// The shipments of one database.
#[derive(Clone)]
pub struct PgShipments {
    database: Database,
    outbox: Outbox,
    alarm: Alarm,
}

impl PgShipments {
    /// A store whose news leave through `outbox`.
    #[must_use]
    pub fn new(database: Database, outbox: Outbox) -> Self {
        Self {
            database,
            outbox,
            alarm: Alarm::default(),
        }
    }
}
