//! API keys, OAuth clients, codes and second factors on PostgreSQL.
//!
//! What belongs to a tenant goes through that tenant's transaction; what comes before a tenant is
//! known (a look at what is shown, the taking of a code or a ticket) and second factors through the system's.

mod api_keys;
mod clients;
mod codes;
mod factors;
mod tickets;

use tradepost_postgres::{Database, DbError};

/// What came of a transaction: done, refused by a rule, or failed.
type Tried<T, R> = Result<Result<T, R>, DbError>;

/// The stores of credentials.
#[derive(Debug, Clone)]
pub struct PgCredentials {
    database: Database,
}

impl PgCredentials {
    /// Stores in this database.
    #[must_use]
    pub const fn new(database: Database) -> Self {
        Self { database }
    }
}

/// A row that breaks a rule of the domain.
fn broken(what: &str) -> DbError {
    DbError::from(sqlx::Error::Decode(
        format!("the row has an invalid {what}").into(),
    ))
}
