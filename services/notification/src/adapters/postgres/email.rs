//! E-mail in the database.

mod desk;
mod follow;
mod queue;
mod rows;

use tradepost_postgres::Database;

/// Addresses, and what is to be sent to them.
#[derive(Debug, Clone)]
pub struct PgEmails {
    database: Database,
    late_hours_max: u32,
}

impl PgEmails {
    /// Those of this database. What was told longer ago than `late_hours_max` is mailed to nobody: an
    /// operator who turns e-mail on, or on again, does not want a month of it sent at once.
    #[must_use]
    pub const fn new(database: Database, late_hours_max: u32) -> Self {
        Self {
            database,
            late_hours_max,
        }
    }
}
