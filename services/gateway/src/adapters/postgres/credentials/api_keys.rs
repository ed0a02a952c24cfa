//! API keys.

use async_trait::async_trait;
use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;
use tradepost_postgres::idempotency::{self, Claim};
use tradepost_postgres::{DbError, retrying};
use tradepost_types::{ApiKeyId, TenantId, UserId};
use uuid::Uuid;

use super::{PgCredentials, Tried, broken};
use crate::adapters::postgres::audit;
use crate::adapters::postgres::identity::trail;
use crate::adapters::postgres::revocation::revoke;
use crate::domain::api_key::{ApiKey, KeySecrets};
use crate::domain::audit::Outcome;
use crate::domain::revocation::{Revocation, Revoked};
use crate::ports::credentials::{
    ApiKeyStore, CredentialError, NewApiKey, Replacement, StoredApiKey,
};
use crate::ports::identity::{Author, Made, RequestKey, StoreError};

/// How many live keys a tenant may have.
const LIVE_MAX: i64 = 1_000;
const CREATE: &str = "CreateApiKey";
const ROTATE: &str = "RotateApiKey";

#[async_trait]
impl ApiKeyStore for PgCredentials {
    async fn add(
        &self,
        new: &NewApiKey,
        request: &RequestKey,
        author: &Author,
    ) -> Result<Made<ApiKey>, CredentialError> {
        let tried = retrying(|| self.try_add(new, request, author)).await;
        tried.map_err(StoreError::from)?
    }

    async fn look_up(&self, id: ApiKeyId) -> Result<Option<StoredApiKey>, StoreError> {
        self.try_look_up(id).await.map_err(StoreError::from)
    }

    async fn used(&self, key: &ApiKey) -> Result<(), StoreError> {
        self.try_used(key).await.map_err(StoreError::from)
    }

    async fn find(&self, tenant: TenantId, id: ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
        self.try_find(tenant, id).await.map_err(StoreError::from)
    }

    async fn list(
        &self,
        tenant: TenantId,
        after: Option<ApiKeyId>,
        limit: i64,
    ) -> Result<Vec<ApiKey>, StoreError> {
        self.try_list(tenant, after, limit)
            .await
            .map_err(StoreError::from)
    }

    async fn replace_secret(
        &self,
        replacement: &Replacement,
        request: &RequestKey,
        author: &Author,
    ) -> Result<Made<ApiKey>, CredentialError> {
        let tried = retrying(|| self.try_replace(replacement, request, author)).await;
        tried.map_err(StoreError::from)?
    }

    async fn revoke(
        &self,
        tenant: TenantId,
        id: ApiKeyId,
        author: &Author,
    ) -> Result<Revocation, CredentialError> {
        let tried = retrying(|| self.try_revoke(tenant, id, author)).await;
        tried.map_err(StoreError::from)?
    }
}

impl PgCredentials {
    async fn try_add(
        &self,
        new: &NewApiKey,
        request: &RequestKey,
        author: &Author,
    ) -> Tried<Made<ApiKey>, CredentialError> {
        let tenant = new.key.tenant;
        let mut tx = self.database.tenant_tx(tenant).await?;
        match claim(tx.conn(), tenant, CREATE, request).await? {
            Claim::Fresh => {}
            Claim::Mismatch => return Ok(Err(CredentialError::KeyReused)),
            Claim::Replay(id) => {
                let made = made_before(tx.conn(), tenant, &id).await?;
                tx.commit().await?;
                return Ok(Ok(made));
            }
        }
        let live: i64 = sqlx::query_scalar(
            "select count(*) from api_keys
             where tenant_id = $1 and revoked_at is null and expires_at > now()",
        )
        .bind(tenant.as_uuid())
        .fetch_one(tx.conn())
        .await?;
        if live >= LIVE_MAX {
            return Ok(Err(CredentialError::TooMany));
        }
        let id = new.key.id.as_uuid();
        insert(tx.conn(), new).await?;
        let made = load(tx.conn(), tenant, id).await?;
        idempotency::complete(
            tx.conn(),
            tenant,
            CREATE,
            &request.request_id,
            id.as_bytes(),
        )
        .await?;
        let entry = trail::entry(author, Some(tenant), "api_key.create", Outcome::Succeeded)
            .on(made.id)
            .with("scope", made.scope)
            .with("expires_at", made.expires_at.unix_timestamp());
        audit::append(tx.conn(), &entry).await?;
        tx.commit().await?;
        Ok(Ok(Made {
            made,
            is_replayed: false,
        }))
    }

    async fn try_look_up(&self, id: ApiKeyId) -> Result<Option<StoredApiKey>, DbError> {
        let mut tx = self.database.system_tx().await?;
        let row: Option<SecretRow> = sqlx::query_as(
            "select tenant_id, key_id, name, mode, scope, networks, created_by, created_at,
                    expires_at, last_used_at, previous_until, revoked_at,
                    secret_hash, previous_hash
             from api_keys where key_id = $1",
        )
        .bind(id.as_uuid())
        .fetch_optional(tx.conn())
        .await?;
        tx.commit().await?;
        row.map(StoredApiKey::try_from).transpose()
    }

    async fn try_used(&self, key: &ApiKey) -> Result<(), DbError> {
        let mut tx = self.database.system_tx().await?;
        sqlx::query(
            "update api_keys set last_used_at = now()
             where tenant_id = $1 and key_id = $2
               and (last_used_at is null or last_used_at <= now() - interval '5 minutes')",
        )
        .bind(key.tenant.as_uuid())
        .bind(key.id.as_uuid())
        .execute(tx.conn())
        .await?;
        tx.commit().await
    }

    async fn try_find(&self, tenant: TenantId, id: ApiKeyId) -> Result<Option<ApiKey>, DbError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        let found = find(tx.conn(), tenant, id.as_uuid()).await?;
        tx.commit().await?;
        Ok(found)
    }

    async fn try_list(
        &self,
        tenant: TenantId,
        after: Option<ApiKeyId>,
        limit: i64,
    ) -> Result<Vec<ApiKey>, DbError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        let rows: Vec<Row> = sqlx::query_as(
            "select tenant_id, key_id, name, mode, scope, networks, created_by, created_at,
                    expires_at, last_used_at, previous_until, revoked_at
             from api_keys
             where tenant_id = $1 and ($2::uuid is null or key_id > $2)
             order by key_id limit $3",
        )
        .bind(tenant.as_uuid())
        .bind(after.map(ApiKeyId::as_uuid))
        .bind(limit)
        .fetch_all(tx.conn())
        .await?;
        tx.commit().await?;
        rows.into_iter().map(ApiKey::try_from).collect()
    }

    async fn try_replace(
        &self,
        replacement: &Replacement,
        request: &RequestKey,
        author: &Author,
    ) -> Tried<Made<ApiKey>, CredentialError> {
        let (tenant, id) = (replacement.tenant, replacement.id.as_uuid());
        let mut tx = self.database.tenant_tx(tenant).await?;
        match claim(tx.conn(), tenant, ROTATE, request).await? {
            Claim::Fresh => {}
            Claim::Mismatch => return Ok(Err(CredentialError::KeyReused)),
            Claim::Replay(id) => {
                let made = made_before(tx.conn(), tenant, &id).await?;
                tx.commit().await?;
                return Ok(Ok(made));
            }
        }
        let replaced = sqlx::query(
            "update api_keys
             set previous_hash = secret_hash, previous_until = $4, secret_hash = $3,
                 rotated_at = now()
             where tenant_id = $1 and key_id = $2 and revoked_at is null and expires_at > now()",
        )
        .bind(tenant.as_uuid())
        .bind(id)
        .bind(replacement.secret_hash.as_slice())
        .bind(replacement.previous_until)
        .execute(tx.conn())
        .await?;
        if replaced.rows_affected() == 0 {
            return Ok(Err(CredentialError::NotFound));
        }
        let made = load(tx.conn(), tenant, id).await?;
        idempotency::complete(
            tx.conn(),
            tenant,
            ROTATE,
            &request.request_id,
            id.as_bytes(),
        )
        .await?;
        let until = replacement.previous_until.unix_timestamp();
        let entry = trail::entry(author, Some(tenant), "api_key.rotate", Outcome::Succeeded)
            .on(made.id)
            .with("previous_until", until);
        audit::append(tx.conn(), &entry).await?;
        tx.commit().await?;
        Ok(Ok(Made {
            made,
            is_replayed: false,
        }))
    }

    async fn try_revoke(
        &self,
        tenant: TenantId,
        id: ApiKeyId,
        author: &Author,
    ) -> Tried<Revocation, CredentialError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        let revoked = sqlx::query(
            "update api_keys set revoked_at = coalesce(revoked_at, now())
             where tenant_id = $1 and key_id = $2",
        )
        .bind(tenant.as_uuid())
        .bind(id.as_uuid())
        .execute(tx.conn())
        .await?;
        if revoked.rows_affected() == 0 {
            return Ok(Err(CredentialError::NotFound));
        }
        // For those that remember the key; the row says it to all others, for good.
        let revocation = revoke(tx.conn(), Revoked::Key(id)).await?;
        let entry = trail::entry(author, Some(tenant), "api_key.revoke", Outcome::Succeeded).on(id);
        audit::append(tx.conn(), &entry).await?;
        tx.commit().await?;
        Ok(Ok(revocation))
    }
}

async fn claim(
    conn: &mut PgConnection,
    tenant: TenantId,
    operation: &str,
    request: &RequestKey,
) -> Result<Claim, DbError> {
    let (id, fingerprint) = (&request.request_id, &request.fingerprint);
    idempotency::claim(conn, tenant, operation, id, fingerprint).await
}

async fn made_before(
    conn: &mut PgConnection,
    tenant: TenantId,
    id: &[u8],
) -> Result<Made<ApiKey>, DbError> {
    let id = Uuid::from_slice(id).map_err(|_short| broken("remembered id"))?;
    Ok(Made {
        made: load(conn, tenant, id).await?,
        is_replayed: true,
    })
}

async fn insert(conn: &mut PgConnection, new: &NewApiKey) -> Result<(), DbError> {
    let key = &new.key;
    let networks: Vec<String> = key.networks.iter().map(ToString::to_string).collect();
    sqlx::query(
        "insert into api_keys
             (tenant_id, key_id, name, mode, scope, networks, secret_hash, created_by, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(key.tenant.as_uuid())
    .bind(key.id.as_uuid())
    .bind(&key.name)
    .bind(key.mode.as_str())
    .bind(key.scope.to_string())
    .bind(networks)
    .bind(new.secret_hash.as_slice())
    .bind(key.created_by.as_uuid())
    .bind(key.expires_at)
    .execute(conn)
    .await?;
    Ok(())
}

async fn load(conn: &mut PgConnection, tenant: TenantId, id: Uuid) -> Result<ApiKey, DbError> {
    let found = find(conn, tenant, id).await?;
    found.ok_or(DbError::Query(sqlx::Error::RowNotFound))
}

async fn find(
    conn: &mut PgConnection,
    tenant: TenantId,
    id: Uuid,
) -> Result<Option<ApiKey>, DbError> {
    let row: Option<Row> = sqlx::query_as(
        "select tenant_id, key_id, name, mode, scope, networks, created_by, created_at,
                expires_at, last_used_at, previous_until, revoked_at
         from api_keys where tenant_id = $1 and key_id = $2",
    )
    .bind(tenant.as_uuid())
    .bind(id)
    .fetch_optional(conn)
    .await?;
    row.map(ApiKey::try_from).transpose()
}

#[derive(FromRow)]
struct Row {
    tenant_id: Uuid,
    key_id: Uuid,
    name: String,
    mode: String,
    scope: String,
    networks: Vec<String>,
    created_by: Uuid,
    created_at: OffsetDateTime,
    expires_at: OffsetDateTime,
    last_used_at: Option<OffsetDateTime>,
    previous_until: Option<OffsetDateTime>,
    revoked_at: Option<OffsetDateTime>,
}

impl TryFrom<Row> for ApiKey {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        let networks = row.networks.iter().map(|network| network.parse());
        Ok(Self {
            id: ApiKeyId::from_uuid(row.key_id),
            tenant: TenantId::from_uuid(row.tenant_id),
            name: row.name,
            mode: row.mode.parse().map_err(|_unknown| broken("mode"))?,
            scope: row.scope.parse().map_err(|_unknown| broken("scope"))?,
            networks: networks
                .collect::<Result<_, _>>()
                .map_err(|_malformed| broken("network"))?,
            created_by: UserId::from_uuid(row.created_by),
            created_at: row.created_at,
            expires_at: row.expires_at,
            last_used_at: row.last_used_at,
            previous_until: row.previous_until,
            revoked_at: row.revoked_at,
        })
    }
}

#[derive(FromRow)]
struct SecretRow {
    #[sqlx(flatten)]
    key: Row,
    secret_hash: [u8; 32],
    previous_hash: Option<[u8; 32]>,
}

impl TryFrom<SecretRow> for StoredApiKey {
    type Error = DbError;

    fn try_from(row: SecretRow) -> Result<Self, DbError> {
        Ok(Self {
            key: row.key.try_into()?,
            secrets: KeySecrets {
                current: row.secret_hash,
                previous: row.previous_hash,
            },
        })
    }
}
