//! OAuth clients.

use async_trait::async_trait;
use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;
use tradepost_postgres::idempotency::{self, Claim};
use tradepost_postgres::{DbError, retrying};
use tradepost_types::{ClientId, TenantId, UserId};
use uuid::Uuid;

use super::{PgCredentials, Tried, broken};
use crate::adapters::postgres::audit;
use crate::adapters::postgres::identity::trail;
use crate::adapters::postgres::revocation::revoke;
use crate::domain::audit::Outcome;
use crate::domain::oauth::{Client, RedirectUri};
use crate::domain::revocation::{Revocation, Revoked};
use crate::domain::rights::Rights;
use crate::ports::credentials::{ClientStore, CredentialError, NewClient, StoredClient};
use crate::ports::identity::{Author, Made, RequestKey, StoreError};

/// How many clients a tenant may have.
const CLIENTS_MAX: i64 = 200;
const CREATE: &str = "CreateOAuthClient";

#[async_trait]
impl ClientStore for PgCredentials {
    async fn add(
        &self,
        new: &NewClient,
        request: &RequestKey,
        author: &Author,
    ) -> Result<Made<Client>, CredentialError> {
        let tried = retrying(|| self.try_add_client(new, request, author)).await;
        tried.map_err(StoreError::from)?
    }

    async fn look_up(&self, id: ClientId) -> Result<Option<StoredClient>, StoreError> {
        self.try_look_up_client(id).await.map_err(StoreError::from)
    }

    async fn find(&self, tenant: TenantId, id: ClientId) -> Result<Option<Client>, StoreError> {
        self.try_find_client(tenant, id)
            .await
            .map_err(StoreError::from)
    }

    async fn list(
        &self,
        tenant: TenantId,
        after: Option<ClientId>,
        limit: i64,
    ) -> Result<Vec<Client>, StoreError> {
        let listed = self.try_list_clients(tenant, after, limit).await;
        listed.map_err(StoreError::from)
    }

    async fn remove(
        &self,
        tenant: TenantId,
        id: ClientId,
        author: &Author,
    ) -> Result<Revocation, CredentialError> {
        let tried = retrying(|| self.try_remove_client(tenant, id, author)).await;
        tried.map_err(StoreError::from)?
    }

    async fn granted(
        &self,
        client: &Client,
        scope: Rights,
        author: &Author,
    ) -> Result<Option<OffsetDateTime>, StoreError> {
        let granted = retrying(|| self.try_grant(client, scope, author)).await;
        granted.map_err(StoreError::from)
    }

    async fn revoke_token(
        &self,
        client: &Client,
        token: Uuid,
        author: &Author,
    ) -> Result<Revocation, StoreError> {
        let revoked = retrying(|| self.try_revoke_token(client, token, author)).await;
        revoked.map_err(StoreError::from)
    }
}

impl PgCredentials {
    async fn try_add_client(
        &self,
        new: &NewClient,
        request: &RequestKey,
        author: &Author,
    ) -> Tried<Made<Client>, CredentialError> {
        let tenant = new.client.tenant;
        let (request_id, fingerprint) = (&request.request_id, &request.fingerprint);
        let mut tx = self.database.tenant_tx(tenant).await?;
        let claim = idempotency::claim(tx.conn(), tenant, CREATE, request_id, fingerprint);
        match claim.await? {
            Claim::Fresh => {}
            Claim::Mismatch => return Ok(Err(CredentialError::KeyReused)),
            Claim::Replay(id) => {
                let id = Uuid::from_slice(&id).map_err(|_short| broken("remembered id"))?;
                let found = find(tx.conn(), tenant, id).await?;
                tx.commit().await?;
                let made = found.map(|made| Made {
                    made,
                    is_replayed: true,
                });
                return Ok(made.ok_or(CredentialError::NotFound));
            }
        }
        let live: i64 = sqlx::query_scalar(
            "select count(*) from oauth_clients where tenant_id = $1 and revoked_at is null",
        )
        .bind(tenant.as_uuid())
        .fetch_one(tx.conn())
        .await?;
        if live >= CLIENTS_MAX {
            return Ok(Err(CredentialError::TooMany));
        }
        let id = new.client.id.as_uuid();
        insert(tx.conn(), new).await?;
        let made = find(tx.conn(), tenant, id).await?;
        let made = made.ok_or(DbError::Query(sqlx::Error::RowNotFound))?;
        idempotency::complete(tx.conn(), tenant, CREATE, request_id, id.as_bytes()).await?;
        let entry = trail::entry(
            author,
            Some(tenant),
            "oauth_client.create",
            Outcome::Succeeded,
        )
        .on(made.id)
        .with("kind", made.kind.as_str())
        .with("scope", made.scope);
        audit::append(tx.conn(), &entry).await?;
        tx.commit().await?;
        Ok(Ok(Made {
            made,
            is_replayed: false,
        }))
    }

    async fn try_look_up_client(&self, id: ClientId) -> Result<Option<StoredClient>, DbError> {
        let mut tx = self.database.system_tx().await?;
        let row: Option<SecretRow> = sqlx::query_as(
            "select tenant_id, client_id, name, kind, redirect_uris, scope, created_by,
                    created_at, secret_hash
             from oauth_clients where client_id = $1 and revoked_at is null",
        )
        .bind(id.as_uuid())
        .fetch_optional(tx.conn())
        .await?;
        tx.commit().await?;
        row.map(StoredClient::try_from).transpose()
    }

    async fn try_find_client(
        &self,
        tenant: TenantId,
        id: ClientId,
    ) -> Result<Option<Client>, DbError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        let found = find(tx.conn(), tenant, id.as_uuid()).await?;
        tx.commit().await?;
        Ok(found)
    }

    async fn try_list_clients(
        &self,
        tenant: TenantId,
        after: Option<ClientId>,
        limit: i64,
    ) -> Result<Vec<Client>, DbError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        let rows: Vec<Row> = sqlx::query_as(
            "select tenant_id, client_id, name, kind, redirect_uris, scope, created_by, created_at
             from oauth_clients
             where tenant_id = $1 and revoked_at is null and ($2::uuid is null or client_id > $2)
             order by client_id limit $3",
        )
        .bind(tenant.as_uuid())
        .bind(after.map(ClientId::as_uuid))
        .bind(limit)
        .fetch_all(tx.conn())
        .await?;
        tx.commit().await?;
        rows.into_iter().map(Client::try_from).collect()
    }

    async fn try_remove_client(
        &self,
        tenant: TenantId,
        id: ClientId,
        author: &Author,
    ) -> Tried<Revocation, CredentialError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        let removed = sqlx::query(
            "update oauth_clients set revoked_at = now()
             where tenant_id = $1 and client_id = $2 and revoked_at is null",
        )
        .bind(tenant.as_uuid())
        .bind(id.as_uuid())
        .execute(tx.conn())
        .await?;
        if removed.rows_affected() == 0 {
            return Ok(Err(CredentialError::NotFound));
        }
        sqlx::query(
            "update sessions set revoked_at = now(), revoked_reason = 'client_removed'
             where tenant_id = $1 and client_id = $2 and revoked_at is null",
        )
        .bind(tenant.as_uuid())
        .bind(id.to_string())
        .execute(tx.conn())
        .await?;
        let revocation = revoke(tx.conn(), Revoked::Client(id)).await?;
        let entry = trail::entry(
            author,
            Some(tenant),
            "oauth_client.remove",
            Outcome::Succeeded,
        )
        .on(id);
        audit::append(tx.conn(), &entry).await?;
        tx.commit().await?;
        Ok(Ok(revocation))
    }

    async fn try_grant(
        &self,
        client: &Client,
        scope: Rights,
        author: &Author,
    ) -> Result<Option<OffsetDateTime>, DbError> {
        let mut tx = self.database.tenant_tx(client.tenant).await?;
        let now: Option<OffsetDateTime> = sqlx::query_scalar(
            "select clock_timestamp() from oauth_clients
             where tenant_id = $1 and client_id = $2 and revoked_at is null
             for share",
        )
        .bind(client.tenant.as_uuid())
        .bind(client.id.as_uuid())
        .fetch_optional(tx.conn())
        .await?;
        if now.is_some() {
            let entry = trail::entry(
                author,
                Some(client.tenant),
                "oauth.client_token",
                Outcome::Succeeded,
            )
            .on(client.id)
            .with("scope", scope);
            audit::append(tx.conn(), &entry).await?;
        }
        tx.commit().await?;
        Ok(now)
    }

    async fn try_revoke_token(
        &self,
        client: &Client,
        token: Uuid,
        author: &Author,
    ) -> Result<Revocation, DbError> {
        let mut tx = self.database.tenant_tx(client.tenant).await?;
        let revocation = revoke(tx.conn(), Revoked::Token(token)).await?;
        let entry = trail::entry(
            author,
            Some(client.tenant),
            "oauth.revoke",
            Outcome::Succeeded,
        )
        .on(client.id)
        .with("token", token);
        audit::append(tx.conn(), &entry).await?;
        tx.commit().await?;
        Ok(revocation)
    }
}

async fn insert(conn: &mut PgConnection, new: &NewClient) -> Result<(), DbError> {
    let client = &new.client;
    let places: Vec<&str> = client
        .redirect_uris
        .iter()
        .map(RedirectUri::as_str)
        .collect();
    sqlx::query(
        "insert into oauth_clients
             (tenant_id, client_id, name, kind, secret_hash, redirect_uris, scope, created_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(client.tenant.as_uuid())
    .bind(client.id.as_uuid())
    .bind(&client.name)
    .bind(client.kind.as_str())
    .bind(new.secret_hash.as_ref().map(<[u8; 32]>::as_slice))
    .bind(places)
    .bind(client.scope.to_string())
    .bind(client.created_by.as_uuid())
    .execute(conn)
    .await?;
    Ok(())
}

async fn find(
    conn: &mut PgConnection,
    tenant: TenantId,
    id: Uuid,
) -> Result<Option<Client>, DbError> {
    let row: Option<Row> = sqlx::query_as(
        "select tenant_id, client_id, name, kind, redirect_uris, scope, created_by, created_at
         from oauth_clients where tenant_id = $1 and client_id = $2 and revoked_at is null",
    )
    .bind(tenant.as_uuid())
    .bind(id)
    .fetch_optional(conn)
    .await?;
    row.map(Client::try_from).transpose()
}

#[derive(FromRow)]
struct Row {
    tenant_id: Uuid,
    client_id: Uuid,
    name: String,
    kind: String,
    redirect_uris: Vec<String>,
    scope: String,
    created_by: Uuid,
    created_at: OffsetDateTime,
}

impl TryFrom<Row> for Client {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        let places = row.redirect_uris.iter().map(|uri| RedirectUri::parse(uri));
        Ok(Self {
            id: ClientId::from_uuid(row.client_id),
            tenant: TenantId::from_uuid(row.tenant_id),
            name: row.name,
            kind: row.kind.parse().map_err(|_unknown| broken("kind"))?,
            redirect_uris: places
                .collect::<Result<_, _>>()
                .map_err(|_malformed| broken("redirect URI"))?,
            scope: row.scope.parse().map_err(|_unknown| broken("scope"))?,
            created_by: UserId::from_uuid(row.created_by),
            created_at: row.created_at,
        })
    }
}

#[derive(FromRow)]
struct SecretRow {
    #[sqlx(flatten)]
    client: Row,
    secret_hash: Option<[u8; 32]>,
}

impl TryFrom<SecretRow> for StoredClient {
    type Error = DbError;

    fn try_from(row: SecretRow) -> Result<Self, DbError> {
        Ok(Self {
            client: row.client.try_into()?,
            secret_hash: row.secret_hash,
        })
    }
}
