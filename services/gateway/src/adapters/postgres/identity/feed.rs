//! What every process must know without asking.

use async_trait::async_trait;
use sqlx::FromRow;
use time::OffsetDateTime;

use super::PgIdentity;
use super::rows::{TenantRow, tenant_columns};
use crate::domain::revocation::{Revocation, Revoked};
use crate::ports::identity::{Feed, IdentityFeed, StoreError, StoredKey};

/// What bears a time within this is recent. No transaction takes nearly as long to commit.
const RECENT_SECONDS: f64 = 30.0;
/// Everything is.
const EVER_SECONDS: f64 = 1e10;

#[async_trait]
impl IdentityFeed for PgIdentity {
    async fn whole(&self) -> Result<Feed, StoreError> {
        self.read(EVER_SECONDS).await
    }

    async fn recent(&self) -> Result<Feed, StoreError> {
        self.read(RECENT_SECONDS).await
    }
}

#[derive(FromRow)]
struct RevocationRow {
    kind: String,
    subject: String,
    issued_before: OffsetDateTime,
    expires_at: OffsetDateTime,
}

#[derive(FromRow)]
struct KeyRow {
    kid: String,
    algorithm: String,
    private_sealed: Vec<u8>,
    public_jwk: String,
    publish_at: OffsetDateTime,
    sign_from: OffsetDateTime,
    sign_until: Option<OffsetDateTime>,
    retire_at: Option<OffsetDateTime>,
}

impl PgIdentity {
    async fn read(&self, seconds: f64) -> Result<Feed, StoreError> {
        let mut tx = self.database.system_tx().await?;
        let revocations: Vec<RevocationRow> = sqlx::query_as(
            "select kind, subject, issued_before, expires_at from revocations
             where created_at > now() - $1 * interval '1 second' and expires_at > now()",
        )
        .bind(seconds)
        .fetch_all(tx.conn())
        .await?;
        let tenants: Vec<TenantRow> = sqlx::query_as(concat!(
            "select ",
            tenant_columns!(),
            " from tenants t where t.updated_at > now() - $1 * interval '1 second'"
        ))
        .bind(seconds)
        .fetch_all(tx.conn())
        .await?;
        let keys: Vec<KeyRow> = sqlx::query_as(
            "select kid, algorithm, private_sealed, public_jwk::text as public_jwk, publish_at,
                 sign_from, sign_until, retire_at
             from signing_keys
             where retire_at is null or retire_at > now()
             order by sign_from, kid",
        )
        .fetch_all(tx.conn())
        .await?;
        // `now()` is when the transaction began.
        let (now, began_at) = sqlx::query_as("select clock_timestamp(), now()")
            .fetch_one(tx.conn())
            .await?;
        tx.rollback().await;
        let tenants = tenants.into_iter().map(TenantRow::into_tenant);
        Ok(Feed {
            now,
            began_at,
            revocations: revocations.into_iter().filter_map(known).collect(),
            tenants: tenants.collect::<Result<_, _>>()?,
            keys: keys.into_iter().map(StoredKey::from).collect(),
        })
    }
}

/// A kind that this binary does not know belongs to credentials that it does not know either.
fn known(row: RevocationRow) -> Option<Revocation> {
    let what = Revoked::parse(&row.kind, &row.subject);
    if what.is_none() {
        tracing::error!(
            event = "identity.revocation_unknown",
            kind = row.kind,
            "a revocation cannot be read and has no effect in this process"
        );
    }
    Some(Revocation {
        what: what?,
        issued_before: row.issued_before,
        expires_at: row.expires_at,
    })
}

impl From<KeyRow> for StoredKey {
    fn from(row: KeyRow) -> Self {
        Self {
            kid: row.kid,
            algorithm: row.algorithm,
            private_sealed: row.private_sealed,
            public_jwk: row.public_jwk,
            publish_at: row.publish_at,
            sign_from: row.sign_from,
            sign_until: row.sign_until,
            retire_at: row.retire_at,
        }
    }
}
