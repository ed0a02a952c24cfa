//! Tenants, users, sessions and keys in PostgreSQL. Every method is one transaction, its entry in
//! the audit trail included; those that only read roll back, which costs the server nothing.
//!
//! Rows are locked in one order everywhere, so that no two can deadlock: user, membership, tenant,
//! session, refresh token, head of the audit trail.

mod feed;
mod keys;
mod plans;
mod refresh;
mod rows;
pub(super) mod sessions;
pub(super) mod standing;
mod tenants;
pub(super) mod trail;
mod users;

use sqlx::PgConnection;
use tradepost_postgres::idempotency::{self, Claim};
use tradepost_postgres::{Database, DbError, RetryableTx};
use tradepost_types::TenantId;
use uuid::Uuid;

use crate::ports::identity::{MemberError, OpenError, RequestKey, StoreError, TenantError};

/// The store behind all ports of identity.
#[derive(Debug, Clone)]
pub struct PgIdentity {
    database: Database,
}

impl PgIdentity {
    /// A store over the gateway's database.
    #[must_use]
    pub const fn new(database: Database) -> Self {
        Self { database }
    }
}

/// Takes the key of a call that makes something, and records what it will have made.
async fn claim(
    conn: &mut PgConnection,
    tenant: TenantId,
    operation: &str,
    key: &RequestKey,
    answer: Uuid,
) -> Result<Claim, DbError> {
    let id = &key.request_id;
    let claim = idempotency::claim(conn, tenant, operation, id, &key.fingerprint).await?;
    if claim == Claim::Fresh {
        idempotency::complete(conn, tenant, operation, id, answer.as_bytes()).await?;
    }
    Ok(claim)
}

impl From<DbError> for StoreError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Unavailable(_) | DbError::CommitUnknown(_) => Self::Unavailable(error),
            DbError::SerializationFailure(_) => Self::Contended(error),
            DbError::Constraint { .. } | DbError::Schema(_) | DbError::Query(_) => {
                Self::Faulty(error.into())
            }
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        DbError::from(error).into()
    }
}

impl RetryableTx for StoreError {
    fn is_serialization_failure(&self) -> bool {
        matches!(self, Self::Contended(_))
    }
}

/// The errors that wrap the store's own.
macro_rules! over_store {
    ($($error:ident),+) => {$(
        impl From<DbError> for $error {
            fn from(error: DbError) -> Self {
                Self::Store(error.into())
            }
        }

        impl From<sqlx::Error> for $error {
            fn from(error: sqlx::Error) -> Self {
                Self::Store(error.into())
            }
        }

        impl RetryableTx for $error {
            fn is_serialization_failure(&self) -> bool {
                matches!(self, Self::Store(StoreError::Contended(_)))
            }
        }
    )+};
}

over_store!(MemberError, OpenError, TenantError);
