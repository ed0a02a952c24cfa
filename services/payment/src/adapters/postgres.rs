//! The store on PostgreSQL.

mod cases;
mod desk;
mod disputes;
mod entries;
mod fold;
mod payments;
mod rows;
mod webhooks;

use std::time::Duration;

use sqlx::migrate::Migrator;
use tradepost_messaging::Outbox;
use tradepost_postgres::Database;

/// The tables of this service.
pub static MIGRATOR: Migrator = sqlx::migrate!("./migrations");

/// When calls are due again.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How long whoever took a call may be at it before another takes it.
    pub lease: Duration,
    /// The wait after the first fruitless call; it doubles.
    pub backoff_min: Duration,
    /// The longest wait.
    pub backoff_max: Duration,
}

/// Payments and their ledger on one database.
#[derive(Clone)]
pub struct PgPayments {
    database: Database,
    outbox: Outbox,
    pace: Pace,
}

impl PgPayments {
    /// A store whose answers leave through `outbox`.
    #[must_use]
    pub const fn new(database: Database, outbox: Outbox, pace: Pace) -> Self {
        Self {
            database,
            outbox,
            pace,
        }
    }
}
