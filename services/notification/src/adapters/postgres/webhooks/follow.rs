//! Which endpoints are to be sent what was told.

use std::collections::HashMap;

use async_trait::async_trait;
use sqlx::PgConnection;
use time::OffsetDateTime;
use tradepost_postgres::DbError;
use tradepost_types::WebhookDeliveryId;
use uuid::Uuid;

use super::super::channels::{CursorSql, MakePiece, cursor_sql};
use super::rows::{ToldRow, broken, patterns};
use super::{PgWebhooks, body};
use crate::domain::webhook::Pattern;
use crate::ports::webhooks::Told;

/// An endpoint that may want something.
struct Wanting {
    endpoint: Uuid,
    types: Vec<Pattern>,
    from: OffsetDateTime,
}

/// Rows to be inserted, column by column.
#[derive(Default)]
struct Rows {
    messages: Vec<(Uuid, Uuid, String, String)>,
    deliveries: Vec<(Uuid, Uuid, Uuid)>,
}

/// The cursor of webhooks.
pub(super) const CURSOR: CursorSql = cursor_sql!("webhook_cursor", "webhooks");

#[async_trait]
impl MakePiece for PgWebhooks {
    async fn make(&self, conn: &mut PgConnection, from: i64, upto: i64) -> Result<u64, DbError> {
        match piece(conn, from, upto).await? {
            told if told.is_empty() => Ok(0),
            told => make(conn, told).await,
        }
    }
}

async fn piece(conn: &mut PgConnection, from: i64, upto: i64) -> Result<Vec<ToldRow>, DbError> {
    let users_max = i32::try_from(body::USERS_MAX).unwrap_or(i32::MAX);
    let told = sqlx::query_as(include_str!("select_told.sql"))
        .bind(from)
        .bind(upto)
        .bind(users_max)
        .fetch_all(conn)
        .await?;
    Ok(told)
}

/// Makes the deliveries and says how many.
async fn make(conn: &mut PgConnection, told: Vec<ToldRow>) -> Result<u64, DbError> {
    let wanting = wanting(conn, &told).await?;
    let mut rows = Rows::default();
    for row in told {
        let tenant = row.tenant_id;
        let told = Told::try_from(row)?;
        let endpoints = wanting.get(&tenant).map(Vec::as_slice).unwrap_or_default();
        let wanted = endpoints.iter().filter(|wanting| wants(wanting, &told));
        let before = rows.deliveries.len();
        let notification = told.id.as_uuid();
        rows.deliveries
            .extend(wanted.map(|wanting| (tenant, wanting.endpoint, notification)));
        if rows.deliveries.len() > before {
            let body = body::render(&told).map_err(|_unwritable| broken("a body"))?;
            rows.messages
                .push((tenant, notification, told.content.kind, body));
        }
    }
    insert_messages(conn, &rows.messages).await?;
    insert_deliveries(conn, &rows.deliveries).await
}

fn wants(wanting: &Wanting, told: &Told) -> bool {
    let kind = &told.content.kind;
    wanting.from <= told.at && wanting.types.iter().any(|pattern| pattern.matches(kind))
}

/// The endpoints of these tenants. They are kept from being deleted until the commit.
async fn wanting(
    conn: &mut PgConnection,
    told: &[ToldRow],
) -> Result<HashMap<Uuid, Vec<Wanting>>, DbError> {
    let tenants: Vec<Uuid> = told.iter().map(|row| row.tenant_id).collect();
    // Places in a stream may have a time of whole milliseconds.
    let rows: Vec<(Uuid, Uuid, Vec<String>, OffsetDateTime)> = sqlx::query_as(
        "select tenant_id, endpoint_id, types, date_trunc('milliseconds', enabled_at)
         from webhook_endpoints
         where tenant_id = any($1) and enabled
         order by tenant_id, endpoint_id
         for key share",
    )
    .bind(tenants)
    .fetch_all(conn)
    .await?;
    let mut wanting: HashMap<Uuid, Vec<Wanting>> = HashMap::new();
    for (tenant, endpoint, types, from) in rows {
        let types = patterns(&types)?;
        wanting.entry(tenant).or_default().push(Wanting {
            endpoint,
            types,
            from,
        });
    }
    Ok(wanting)
}

pub(super) async fn insert_messages(
    conn: &mut PgConnection,
    messages: &[(Uuid, Uuid, String, String)],
) -> Result<(), DbError> {
    let tenants: Vec<Uuid> = messages.iter().map(|row| row.0).collect();
    let ids: Vec<Uuid> = messages.iter().map(|row| row.1).collect();
    let types: Vec<&str> = messages.iter().map(|row| row.2.as_str()).collect();
    let bodies: Vec<&str> = messages.iter().map(|row| row.3.as_str()).collect();
    sqlx::query(
        "insert into webhook_messages (tenant_id, message_id, type, body)
         select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[])
         on conflict (tenant_id, message_id) do nothing",
    )
    .bind(tenants)
    .bind(ids)
    .bind(types)
    .bind(bodies)
    .execute(conn)
    .await?;
    Ok(())
}

async fn insert_deliveries(
    conn: &mut PgConnection,
    deliveries: &[(Uuid, Uuid, Uuid)],
) -> Result<u64, DbError> {
    let tenants: Vec<Uuid> = deliveries.iter().map(|row| row.0).collect();
    let endpoints: Vec<Uuid> = deliveries.iter().map(|row| row.1).collect();
    let messages: Vec<Uuid> = deliveries.iter().map(|row| row.2).collect();
    let ids: Vec<Uuid> = deliveries
        .iter()
        .map(|_delivery| WebhookDeliveryId::new().as_uuid())
        .collect();
    let inserted = sqlx::query(
        "insert into webhook_deliveries (tenant_id, endpoint_id, message_id, delivery_id)
         select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[])
         on conflict (tenant_id, endpoint_id, message_id) do nothing",
    )
    .bind(tenants)
    .bind(endpoints)
    .bind(messages)
    .bind(ids)
    .execute(conn)
    .await?;
    Ok(inserted.rows_affected())
}
