//! From rows to values.

use sqlx::FromRow;
use time::OffsetDateTime;
use tradepost_notifications::content::Content;
use tradepost_postgres::DbError;
use tradepost_types::{NotificationId, TenantId, WebhookDeliveryId, WebhookEndpointId};
use uuid::Uuid;

use crate::domain::webhook::{Pattern, SigningSecret};
use crate::ports::webhooks::{
    Delivery, DeliveryState, DisabledReason, Endpoint, Leased, Standing, Told,
};

/// The columns of [`EndpointRow`].
macro_rules! endpoint_columns {
    () => {
        "endpoint_id, url, types, description, disabled_reason, disabled_at, failing_since, \
         case when previous_until > statement_timestamp() then previous_until end \
             as previous_until, created_at"
    };
}
/// The columns of [`DeliveryRow`], of the tables `d` and `m`.
macro_rules! delivery_columns {
    () => {
        "d.delivery_id, d.endpoint_id, d.message_id, m.type, d.state, d.attempts, \
         d.next_attempt_at, d.last_attempt_at, d.last_status, d.last_error, d.created_at"
    };
}
pub(super) use {delivery_columns, endpoint_columns};

/// A row that holds what this binary cannot read.
pub(super) fn broken(what: &str) -> DbError {
    DbError::Query(sqlx::Error::Decode(what.into()))
}

#[derive(Debug, FromRow)]
pub(super) struct EndpointRow {
    endpoint_id: Uuid,
    url: String,
    types: Vec<String>,
    description: String,
    disabled_reason: Option<String>,
    disabled_at: Option<OffsetDateTime>,
    failing_since: Option<OffsetDateTime>,
    previous_until: Option<OffsetDateTime>,
    created_at: OffsetDateTime,
}

impl TryFrom<EndpointRow> for Endpoint {
    type Error = DbError;

    fn try_from(row: EndpointRow) -> Result<Self, DbError> {
        let standing = match (row.disabled_reason.as_deref(), row.disabled_at) {
            (Some(name), Some(since)) => Standing::Disabled {
                reason: reason(name)?,
                since,
            },
            (_, _) => Standing::Enabled,
        };
        Ok(Self {
            id: WebhookEndpointId::from_uuid(row.endpoint_id),
            url: row.url,
            types: patterns(&row.types)?,
            description: row.description,
            standing,
            failing_since: row.failing_since,
            previous_until: row.previous_until,
            created_at: row.created_at,
        })
    }
}

pub(super) fn patterns(types: &[String]) -> Result<Vec<Pattern>, DbError> {
    let parsed: Result<Vec<Pattern>, _> = types.iter().map(|text| text.parse()).collect();
    parsed.map_err(|_malformed| broken("webhook_endpoints.types"))
}

pub(super) fn reason(name: &str) -> Result<DisabledReason, DbError> {
    match name {
        "asked" => Ok(DisabledReason::Asked),
        "gone" => Ok(DisabledReason::Gone),
        "failing" => Ok(DisabledReason::Failing),
        _ => Err(broken("webhook_endpoints.disabled_reason")),
    }
}

pub(super) fn secret(text: String) -> Result<SigningSecret, DbError> {
    SigningSecret::parse(text).map_err(|_malformed| broken("webhook_endpoints.secret"))
}

pub(super) const fn state_name(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Pending => "pending",
        DeliveryState::Delivered => "delivered",
        DeliveryState::Failed => "failed",
    }
}

#[derive(Debug, FromRow)]
pub(super) struct DeliveryRow {
    delivery_id: Uuid,
    endpoint_id: Uuid,
    message_id: Uuid,
    r#type: String,
    state: String,
    attempts: i32,
    next_attempt_at: OffsetDateTime,
    last_attempt_at: Option<OffsetDateTime>,
    last_status: Option<i32>,
    last_error: Option<String>,
    created_at: OffsetDateTime,
}

impl TryFrom<DeliveryRow> for Delivery {
    type Error = DbError;

    fn try_from(row: DeliveryRow) -> Result<Self, DbError> {
        let state = match row.state.as_str() {
            "pending" => DeliveryState::Pending,
            "delivered" => DeliveryState::Delivered,
            "failed" => DeliveryState::Failed,
            _ => return Err(broken("webhook_deliveries.state")),
        };
        Ok(Self {
            id: WebhookDeliveryId::from_uuid(row.delivery_id),
            endpoint: WebhookEndpointId::from_uuid(row.endpoint_id),
            notification: NotificationId::from_uuid(row.message_id),
            kind: row.r#type,
            state,
            attempts: row.attempts.unsigned_abs(),
            next_attempt_at: row.next_attempt_at,
            last_attempt_at: row.last_attempt_at,
            last_status: row.last_status.and_then(|code| u16::try_from(code).ok()),
            last_error: row.last_error,
            created_at: row.created_at,
        })
    }
}

#[derive(Debug, FromRow)]
pub(super) struct LeasedRow {
    tenant_id: Uuid,
    delivery_id: Uuid,
    endpoint_id: Uuid,
    message_id: Uuid,
    lease: i32,
    attempts: i32,
    url: String,
    secret: String,
    previous_secret: Option<String>,
    body: String,
}

impl TryFrom<LeasedRow> for Leased {
    type Error = DbError;

    fn try_from(row: LeasedRow) -> Result<Self, DbError> {
        let secrets = [Some(row.secret), row.previous_secret];
        let secrets: Result<Vec<_>, _> = secrets.into_iter().flatten().map(secret).collect();
        Ok(Self {
            tenant: TenantId::from_uuid(row.tenant_id),
            id: WebhookDeliveryId::from_uuid(row.delivery_id),
            endpoint: WebhookEndpointId::from_uuid(row.endpoint_id),
            notification: NotificationId::from_uuid(row.message_id),
            lease: row.lease,
            attempts: row.attempts.unsigned_abs(),
            url: row.url,
            secrets: secrets?,
            body: row.body,
        })
    }
}

#[derive(Debug, FromRow)]
pub(super) struct ToldRow {
    pub(super) tenant_id: Uuid,
    id: Uuid,
    at: OffsetDateTime,
    group_id: Option<String>,
    users_count: i64,
    users: Option<Vec<String>>,
    content: String,
}

impl TryFrom<ToldRow> for Told {
    type Error = DbError;

    fn try_from(row: ToldRow) -> Result<Self, DbError> {
        let group = row.group_id.map(|group| group.parse()).transpose();
        let content: Result<Content, _> = serde_json::from_str(&row.content);
        Ok(Self {
            id: NotificationId::from_uuid(row.id),
            at: row.at,
            users: row.users.unwrap_or_default(),
            users_count: row.users_count.unsigned_abs(),
            group: group.map_err(|_malformed| broken("notifications.stream"))?,
            content: content.map_err(|_malformed| broken("notifications.content"))?,
        })
    }
}
