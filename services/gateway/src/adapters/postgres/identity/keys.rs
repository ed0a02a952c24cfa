//! The keys that sign access tokens.

use async_trait::async_trait;
use sqlx::PgConnection;
use tradepost_postgres::{DbError, retrying};

use super::{PgIdentity, trail};
use crate::adapters::postgres::revocation;
use crate::domain::revocation::Revoked;
use crate::ports::identity::{Author, KeyStore, NewSigningKey, Rotation, StoreError};

/// One process at a time makes keys. "signkeys" in ASCII.
const LOCK: i64 = 0x7369_676e_6b65_7973;

#[async_trait]
impl KeyStore for PgIdentity {
    async fn add_first(&self, key: &NewSigningKey, author: &Author) -> Result<bool, StoreError> {
        retrying(|| self.add_first_once(key, author)).await
    }

    async fn rotate(
        &self,
        key: &NewSigningKey,
        rotation: Rotation,
        author: &Author,
    ) -> Result<bool, StoreError> {
        retrying(|| self.rotate_once(key, rotation, author)).await
    }
}

impl PgIdentity {
    async fn add_first_once(
        &self,
        key: &NewSigningKey,
        author: &Author,
    ) -> Result<bool, StoreError> {
        let mut tx = self.database.system_tx().await?;
        lock(tx.conn()).await?;
        let has_one: bool = sqlx::query_scalar(
            "select exists (select from signing_keys
                 where sign_from <= now() and (retire_at is null or retire_at > now()))",
        )
        .fetch_one(tx.conn())
        .await?;
        if has_one {
            tx.rollback().await;
            return Ok(false);
        }
        insert(tx.conn(), key, 0.0).await?;
        let entry = trail::done(author, None, "keys.created").on(format_args!("key:{}", key.kid));
        trail::append(tx.conn(), &entry).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn rotate_once(
        &self,
        key: &NewSigningKey,
        rotation: Rotation,
        author: &Author,
    ) -> Result<bool, StoreError> {
        let mut tx = self.database.system_tx().await?;
        lock(tx.conn()).await?;
        if let Some(age) = rotation.only_after {
            let is_young: bool = sqlx::query_scalar(
                "select exists (select from signing_keys
                     where sign_from > now() - $1 * interval '1 second')",
            )
            .bind(age.as_seconds_f64())
            .fetch_one(tx.conn())
            .await?;
            if is_young {
                tx.rollback().await;
                return Ok(false);
            }
        }
        let is_known: bool =
            sqlx::query_scalar("select exists (select from signing_keys where kid = $1)")
                .bind(&key.kid)
                .fetch_one(tx.conn())
                .await?;
        if is_known {
            tx.rollback().await;
            return Ok(false);
        }
        insert(tx.conn(), key, rotation.lead.as_seconds_f64()).await?;
        sqlx::query(
            "update signing_keys old
             set sign_until = new.sign_from,
                 retire_at = new.sign_from + $2 * interval '1 second'
             from signing_keys new
             where new.kid = $1 and old.kid <> new.kid
               and (old.retire_at is null
                 or old.retire_at > new.sign_from + $2 * interval '1 second')",
        )
        .bind(&key.kid)
        .bind(rotation.linger.as_seconds_f64())
        .execute(tx.conn())
        .await?;
        // What is gone for a day is of no use to anybody.
        sqlx::query("delete from signing_keys where retire_at < now() - interval '1 day'")
            .execute(tx.conn())
            .await?;
        if rotation.linger.is_zero() {
            // Whoever keeps connections open elsewhere hears of it by this, and knows no keys.
            revocation::revoke(tx.conn(), Revoked::All).await?;
        }
        let entry = trail::done(author, None, "keys.rotated").on(format_args!("key:{}", key.kid));
        trail::append(tx.conn(), &entry).await?;
        tx.commit().await?;
        Ok(true)
    }
}

async fn lock(conn: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query("select pg_advisory_xact_lock($1)")
        .bind(LOCK)
        .execute(conn)
        .await?;
    Ok(())
}

async fn insert(
    conn: &mut PgConnection,
    key: &NewSigningKey,
    lead_seconds: f64,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into signing_keys (kid, algorithm, private_sealed, public_jwk, publish_at, sign_from)
         values ($1, $2, $3, $4::jsonb, now(), now() + $5 * interval '1 second')",
    )
    .bind(&key.kid)
    .bind(&key.algorithm)
    .bind(&key.private_sealed)
    .bind(&key.public_jwk)
    .bind(lead_seconds)
    .execute(conn)
    .await?;
    Ok(())
}
