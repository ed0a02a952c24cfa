//! API keys, OAuth clients, codes and second factors on PostgreSQL.
//!
//! What belongs to a tenant goes through that tenant's transaction; what comes before a tenant is
//! known (a look at what is shown, a code's redemption) and second factors through the system's.

mod api_keys;
mod clients;
mod codes;
mod factors;

use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};
use tradepost_postgres::{Database, DbError};

use crate::domain::audit::{Actor, Chain, Entry, Origin, Outcome};
use crate::domain::revocation::{Revocation, Revoked};
use crate::ports::identity::{Author, StoreError};

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

fn store(error: DbError) -> StoreError {
    match error {
        DbError::Unavailable(_) | DbError::CommitUnknown(_) => StoreError::Unavailable(error),
        DbError::SerializationFailure(_) => StoreError::Contended(error),
        DbError::Constraint { .. } | DbError::Schema(_) | DbError::Query(_) => {
            StoreError::Faulty(Box::new(error))
        }
    }
}

/// A row that breaks a rule of the domain.
fn broken(what: &str) -> DbError {
    DbError::from(sqlx::Error::Decode(
        format!("the row has an invalid {what}").into(),
    ))
}

fn entry(author: &Author, action: &'static str, outcome: Outcome) -> Entry {
    let actor = author.subject.map_or(Actor::Anonymous, Actor::Subject);
    Entry::new(Chain::from(author.tenant), actor, action, outcome)
        .from(Origin::new(author.address, None))
}

/// Records that something is no longer taken, for so long as it might be shown.
async fn revoke(
    conn: &mut PgConnection,
    what: Revoked,
    shown_until: impl FnOnce(OffsetDateTime) -> OffsetDateTime,
) -> Result<Revocation, DbError> {
    let now: OffsetDateTime = sqlx::query_scalar("select clock_timestamp()")
        .fetch_one(&mut *conn)
        .await?;
    let revocation = Revocation {
        what,
        issued_before: now,
        expires_at: shown_until(now),
    };
    sqlx::query(
        "insert into revocations (kind, subject, issued_before, expires_at)
         values ($1, $2, $3, $4)",
    )
    .bind(what.kind())
    .bind(what.subject())
    .bind(revocation.issued_before)
    .bind(revocation.expires_at)
    .execute(conn)
    .await?;
    Ok(revocation)
}

/// Longer than any access token lives.
const ACCESS_LIFETIME_MAX: Duration = Duration::hours(2);
