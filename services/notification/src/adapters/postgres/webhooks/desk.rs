//! What a tenant manages: every method is one transaction of its tenant.

use async_trait::async_trait;
use sqlx::PgConnection;
use time::OffsetDateTime;
use tradepost_notifications::content::Content;
use tradepost_postgres::idempotency::{self, Claim};
use tradepost_postgres::{DbError, TenantTx};
use tradepost_types::{NotificationId, TenantId, WebhookDeliveryId, WebhookEndpointId};
use uuid::Uuid;

use super::rows::{
    DeliveryRow, EndpointRow, broken, delivery_columns, endpoint_columns, secret, state_name,
};
use super::{PgWebhooks, body, follow};
use crate::domain::webhook::SigningSecret;
use crate::ports::RequestKey;
use crate::ports::webhooks::{
    Delivery, DeliveryState, Endpoint, EndpointEdit, HookError, ListedAfter, NewEndpoint, Previous,
    Told, WebhookDesk, Wish,
};

const CREATE: &str = "CreateEndpoint";
const ROTATE: &str = "RotateSecret";
const RESEND: &str = "ResendDelivery";
const TEST: &str = "TestEndpoint";

/// Endpoints of one tenant.
const ENDPOINTS_MAX: i64 = 20;
/// How long a secret signs beside the one that follows it.
const PREVIOUS_HOURS: i32 = 24;

#[async_trait]
impl WebhookDesk for PgWebhooks {
    async fn create(
        &self,
        tenant: TenantId,
        key: &RequestKey,
        new: &NewEndpoint,
    ) -> Result<(Endpoint, Option<SigningSecret>), HookError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        if let Some(made) = claim(&mut tx, CREATE, key).await? {
            let id = WebhookEndpointId::from_uuid(made);
            return told_again(tx, id, &told_by(CREATE, key)).await;
        }
        insert(tx.conn(), tenant, new, &told_by(CREATE, key)).await?;
        let made = load(tx.conn(), tenant, new.id).await?;
        complete(&mut tx, CREATE, key, new.id.as_uuid()).await?;
        tx.commit().await?;
        Ok((made, Some(new.secret.clone())))
    }

    async fn list(&self, tenant: TenantId) -> Result<Vec<Endpoint>, HookError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        let rows: Vec<EndpointRow> = sqlx::query_as(concat!(
            "select ",
            endpoint_columns!(),
            " from webhook_endpoints where tenant_id = $1 order by created_at, endpoint_id"
        ))
        .bind(tenant.as_uuid())
        .fetch_all(tx.conn())
        .await
        .map_err(DbError::from)?;
        tx.commit().await?;
        let endpoints: Result<Vec<Endpoint>, DbError> =
            rows.into_iter().map(Endpoint::try_from).collect();
        Ok(endpoints?)
    }

    async fn load(&self, tenant: TenantId, id: WebhookEndpointId) -> Result<Endpoint, HookError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        let endpoint = load(tx.conn(), tenant, id).await?;
        tx.commit().await?;
        Ok(endpoint)
    }

    async fn edit(
        &self,
        tenant: TenantId,
        id: WebhookEndpointId,
        edit: &EndpointEdit,
    ) -> Result<Endpoint, HookError> {
        let types = edit.types.as_ref().map(|types| {
            let texts: Vec<&str> = types.iter().map(|pattern| pattern.as_str()).collect();
            texts
        });
        let mut tx = self.database.tenant_tx(tenant).await?;
        sqlx::query(include_str!("edit_endpoint.sql"))
            .bind(tenant.as_uuid())
            .bind(id.as_uuid())
            .bind(edit.url.as_ref().map(|url| url.as_str()))
            .bind(types)
            .bind(edit.description.as_deref())
            .bind(edit.wish.map(|wish| wish == Wish::Enable))
            .execute(tx.conn())
            .await
            .map_err(DbError::from)?;
        let endpoint = load(tx.conn(), tenant, id).await?;
        tx.commit().await?;
        Ok(endpoint)
    }

    async fn delete(&self, tenant: TenantId, id: WebhookEndpointId) -> Result<(), HookError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        sqlx::query("delete from webhook_endpoints where tenant_id = $1 and endpoint_id = $2")
            .bind(tenant.as_uuid())
            .bind(id.as_uuid())
            .execute(tx.conn())
            .await
            .map_err(DbError::from)?;
        Ok(tx.commit().await?)
    }

    async fn rotate(
        &self,
        tenant: TenantId,
        key: &RequestKey,
        id: WebhookEndpointId,
        (secret, previous): (&SigningSecret, Previous),
    ) -> Result<(Endpoint, Option<SigningSecret>), HookError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        if claim(&mut tx, ROTATE, key).await?.is_some() {
            return told_again(tx, id, &told_by(ROTATE, key)).await;
        }
        let hours = match previous {
            Previous::Signs => {
                settled(tx.conn(), tenant, id).await?;
                Some(PREVIOUS_HOURS)
            }
            Previous::Ends => None,
        };
        sqlx::query(
            "update webhook_endpoints
             set previous_secret = case when $5::integer is not null then secret end,
                 previous_until = clock_timestamp() + $5 * interval '1 hour',
                 secret = $3,
                 secret_request = $4
             where tenant_id = $1 and endpoint_id = $2",
        )
        .bind(tenant.as_uuid())
        .bind(id.as_uuid())
        .bind(secret.expose())
        .bind(told_by(ROTATE, key))
        .bind(hours)
        .execute(tx.conn())
        .await
        .map_err(DbError::from)?;
        let endpoint = load(tx.conn(), tenant, id).await?;
        complete(&mut tx, ROTATE, key, id.as_uuid()).await?;
        tx.commit().await?;
        Ok((endpoint, Some(secret.clone())))
    }

    async fn deliveries(
        &self,
        tenant: TenantId,
        id: WebhookEndpointId,
        state: Option<DeliveryState>,
        (after, limit): (Option<ListedAfter>, i64),
    ) -> Result<Vec<Delivery>, HookError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        load(tx.conn(), tenant, id).await?;
        let rows: Vec<DeliveryRow> = sqlx::query_as(concat!(
            "select ",
            delivery_columns!(),
            " from webhook_deliveries d
             join webhook_messages m on m.tenant_id = d.tenant_id and m.message_id = d.message_id
             where d.tenant_id = $1 and d.endpoint_id = $2 and ($3::text is null or d.state = $3)
               and ($4::timestamptz is null or (d.created_at, d.delivery_id) < ($4, $5))
             order by d.created_at desc, d.delivery_id desc limit $6"
        ))
        .bind(tenant.as_uuid())
        .bind(id.as_uuid())
        .bind(state.map(state_name))
        .bind(after.map(|after| after.created_at))
        .bind(after.map(|after| after.id.as_uuid()))
        .bind(limit)
        .fetch_all(tx.conn())
        .await
        .map_err(DbError::from)?;
        tx.commit().await?;
        let deliveries: Result<Vec<Delivery>, DbError> =
            rows.into_iter().map(Delivery::try_from).collect();
        Ok(deliveries?)
    }

    async fn resend(
        &self,
        tenant: TenantId,
        key: &RequestKey,
        id: WebhookDeliveryId,
    ) -> Result<Delivery, HookError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        if claim(&mut tx, RESEND, key).await?.is_none() {
            let delivery = delivery(tx.conn(), tenant, id).await?;
            enabled(tx.conn(), tenant, delivery.endpoint).await?;
            // Whoever is at it notes nothing any more.
            sqlx::query(
                "update webhook_deliveries
                 set state = 'pending', attempts = 0, next_attempt_at = clock_timestamp(),
                     leased_until = null, lease = lease + 1
                 where tenant_id = $1 and delivery_id = $2",
            )
            .bind(tenant.as_uuid())
            .bind(id.as_uuid())
            .execute(tx.conn())
            .await
            .map_err(DbError::from)?;
            complete(&mut tx, RESEND, key, id.as_uuid()).await?;
        }
        let delivery = delivery(tx.conn(), tenant, id).await?;
        tx.commit().await?;
        Ok(delivery)
    }

    async fn test(
        &self,
        tenant: TenantId,
        key: &RequestKey,
        id: WebhookEndpointId,
        content: &Content,
    ) -> Result<Delivery, HookError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        let made = if let Some(made) = claim(&mut tx, TEST, key).await? {
            WebhookDeliveryId::from_uuid(made)
        } else {
            enabled(tx.conn(), tenant, id).await?;
            let made = insert_test(tx.conn(), tenant, id, content).await?;
            complete(&mut tx, TEST, key, made.as_uuid()).await?;
            made
        };
        let delivery = delivery(tx.conn(), tenant, made).await?;
        tx.commit().await?;
        Ok(delivery)
    }
}

/// What the request did before: the id of what it made. None: it is new.
async fn claim(
    tx: &mut TenantTx,
    operation: &str,
    key: &RequestKey,
) -> Result<Option<Uuid>, HookError> {
    let tenant = tx.tenant();
    let claim = idempotency::claim(tx.conn(), tenant, operation, &key.id, &key.fingerprint);
    match claim.await? {
        Claim::Fresh => Ok(None),
        Claim::Replay(made) => Ok(Some(
            Uuid::from_slice(&made).map_err(|_length| broken("idempotency_keys.response"))?,
        )),
        Claim::Mismatch => Err(HookError::RequestIdReused),
    }
}

async fn complete(
    tx: &mut TenantTx,
    operation: &str,
    key: &RequestKey,
    made: Uuid,
) -> Result<(), HookError> {
    let tenant = tx.tenant();
    Ok(idempotency::complete(tx.conn(), tenant, operation, &key.id, made.as_bytes()).await?)
}

/// Which request a secret is of.
fn told_by(operation: &str, key: &RequestKey) -> String {
    format!("{operation}/{}", key.id)
}

/// The answer to a repetition: with the secret, if it is still the one that the request made.
async fn told_again(
    mut tx: TenantTx,
    id: WebhookEndpointId,
    request: &str,
) -> Result<(Endpoint, Option<SigningSecret>), HookError> {
    let tenant = tx.tenant();
    let endpoint = load(tx.conn(), tenant, id).await?;
    let found: Option<String> = sqlx::query_scalar(
        "select secret from webhook_endpoints
         where tenant_id = $1 and endpoint_id = $2 and secret_request = $3",
    )
    .bind(tenant.as_uuid())
    .bind(id.as_uuid())
    .bind(request)
    .fetch_optional(tx.conn())
    .await
    .map_err(DbError::from)?;
    tx.commit().await?;
    Ok((endpoint, found.map(secret).transpose()?))
}

async fn insert(
    conn: &mut PgConnection,
    tenant: TenantId,
    new: &NewEndpoint,
    request: &str,
) -> Result<(), HookError> {
    // Whoever makes another one for this tenant waits, so that they are counted right.
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('webhook_endpoints/' || $1, 0))")
        .bind(tenant.to_string())
        .execute(&mut *conn)
        .await
        .map_err(DbError::from)?;
    let count: i64 =
        sqlx::query_scalar("select count(*) from webhook_endpoints where tenant_id = $1")
            .bind(tenant.as_uuid())
            .fetch_one(&mut *conn)
            .await
            .map_err(DbError::from)?;
    if count >= ENDPOINTS_MAX {
        return Err(HookError::TooMany);
    }
    let types: Vec<&str> = new.types.iter().map(|pattern| pattern.as_str()).collect();
    sqlx::query(
        "insert into webhook_endpoints
             (tenant_id, endpoint_id, url, types, description, secret, secret_request)
         values ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(tenant.as_uuid())
    .bind(new.id.as_uuid())
    .bind(new.url.as_str())
    .bind(types)
    .bind(&new.description)
    .bind(new.secret.expose())
    .bind(request)
    .execute(conn)
    .await
    .map_err(DbError::from)?;
    Ok(())
}

async fn load(
    conn: &mut PgConnection,
    tenant: TenantId,
    id: WebhookEndpointId,
) -> Result<Endpoint, HookError> {
    let row: Option<EndpointRow> = sqlx::query_as(concat!(
        "select ",
        endpoint_columns!(),
        " from webhook_endpoints where tenant_id = $1 and endpoint_id = $2"
    ))
    .bind(tenant.as_uuid())
    .bind(id.as_uuid())
    .fetch_optional(conn)
    .await
    .map_err(DbError::from)?;
    Ok(row.ok_or(HookError::NoEndpoint)?.try_into()?)
}

/// Fails while the secret before signs too: one more would have to take its place before its time.
async fn settled(
    conn: &mut PgConnection,
    tenant: TenantId,
    id: WebhookEndpointId,
) -> Result<(), HookError> {
    let until: Option<Option<OffsetDateTime>> = sqlx::query_scalar(
        "select case when previous_until > clock_timestamp() then previous_until end
         from webhook_endpoints
         where tenant_id = $1 and endpoint_id = $2
         for no key update",
    )
    .bind(tenant.as_uuid())
    .bind(id.as_uuid())
    .fetch_optional(conn)
    .await
    .map_err(DbError::from)?;
    match until {
        None => Err(HookError::NoEndpoint),
        Some(Some(until)) => Err(HookError::Rotating { until }),
        Some(None) => Ok(()),
    }
}

/// Fails unless the endpoint is sent things. It stays so until the commit.
async fn enabled(
    conn: &mut PgConnection,
    tenant: TenantId,
    id: WebhookEndpointId,
) -> Result<(), HookError> {
    let enabled: Option<bool> = sqlx::query_scalar(
        "select enabled from webhook_endpoints
         where tenant_id = $1 and endpoint_id = $2
         for no key update",
    )
    .bind(tenant.as_uuid())
    .bind(id.as_uuid())
    .fetch_optional(conn)
    .await
    .map_err(DbError::from)?;
    match enabled {
        None => Err(HookError::NoEndpoint),
        Some(false) => Err(HookError::Disabled),
        Some(true) => Ok(()),
    }
}

async fn delivery(
    conn: &mut PgConnection,
    tenant: TenantId,
    id: WebhookDeliveryId,
) -> Result<Delivery, HookError> {
    let row: Option<DeliveryRow> = sqlx::query_as(concat!(
        "select ",
        delivery_columns!(),
        " from webhook_deliveries d
         join webhook_messages m on m.tenant_id = d.tenant_id and m.message_id = d.message_id
         where d.tenant_id = $1 and d.delivery_id = $2"
    ))
    .bind(tenant.as_uuid())
    .bind(id.as_uuid())
    .fetch_optional(conn)
    .await
    .map_err(DbError::from)?;
    Ok(row.ok_or(HookError::NoDelivery)?.try_into()?)
}

async fn insert_test(
    conn: &mut PgConnection,
    tenant: TenantId,
    endpoint: WebhookEndpointId,
    content: &Content,
) -> Result<WebhookDeliveryId, HookError> {
    let at: OffsetDateTime = sqlx::query_scalar("select clock_timestamp()")
        .fetch_one(&mut *conn)
        .await
        .map_err(DbError::from)?;
    let told = Told {
        id: NotificationId::new(),
        at,
        users: Vec::new(),
        users_count: 0,
        group: None,
        content: content.clone(),
    };
    let body = body::render(&told).map_err(|_unwritable| broken("a body"))?;
    let message = (tenant.as_uuid(), told.id.as_uuid(), told.content.kind, body);
    follow::insert_messages(conn, &[message]).await?;
    let id = WebhookDeliveryId::new();
    sqlx::query(
        "insert into webhook_deliveries (tenant_id, endpoint_id, message_id, delivery_id)
         values ($1, $2, $3, $4)",
    )
    .bind(tenant.as_uuid())
    .bind(endpoint.as_uuid())
    .bind(told.id.as_uuid())
    .bind(id.as_uuid())
    .execute(conn)
    .await
    .map_err(DbError::from)?;
    Ok(id)
}
