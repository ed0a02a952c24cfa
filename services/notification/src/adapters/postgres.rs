//! The database: streams, memberships, and what was told.

mod channels;
mod email;
pub mod epoch;
mod feed;
mod groups;
mod history;
pub mod locales;
mod members;
mod past;
mod preferences;
mod reading;
mod streams;
mod tail;
mod tell;
mod upkeep;
mod webhooks;
pub mod write;

use sqlx::migrate::Migrator;
use tradepost_postgres::{Database, Group};

use crate::ports::{Opened, Outcome, Reader, StoreError, Telling};

/// Statements whose plans tests look at.
pub mod statements {
    pub use super::history::PAGE;
    pub use super::past::{ENTRIES, OPEN};
    pub use super::preferences::OF_READERS;
    pub use super::tail::{BOUND, LATE_TOPS, READS, TOPS};
}

pub use email::PgEmails;
pub use feed::PgFeed;
pub use webhooks::PgWebhooks;

/// The service's own tables.
pub static MIGRATOR: Migrator = sqlx::migrate!("./migrations");

/// The store.
#[derive(Debug)]
pub struct PgNotifications {
    database: Database,
    tellings: Group<Telling, Result<Outcome, StoreError>>,
    openings: Group<Vec<Reader>, Result<Vec<Opened>, StoreError>>,
}

impl PgNotifications {
    /// A store over this database.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self {
            database,
            tellings: Group::new(tell::LIMITS),
            openings: Group::new(past::LIMITS),
        }
    }
}
