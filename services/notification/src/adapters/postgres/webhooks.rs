//! Outgoing webhooks in the database.

mod body;
mod desk;
mod follow;
mod queue;
mod rows;

use tradepost_postgres::Database;

/// Endpoints, and what is to be sent to them.
#[derive(Debug, Clone)]
pub struct PgWebhooks {
    database: Database,
}

impl PgWebhooks {
    /// Those of this database.
    #[must_use]
    pub const fn new(database: Database) -> Self {
        Self { database }
    }
}
