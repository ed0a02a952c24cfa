//! A shipment's row: read under a lock or without, and written in sets.

use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;
use tradepost_postgres::DbError;
use tradepost_types::{OrderId, ShipmentId, TenantId};
use uuid::Uuid;

use crate::adapters::document::{Cover, Document};
use crate::domain::Shipment;
use crate::ports::{StoreError, Stored};

#[derive(FromRow)]
pub(super) struct Row {
    tenant_id: Uuid,
    shipment_id: Uuid,
    order_id: Uuid,
    state: String,
    version: i64,
    pub(super) due_at: Option<OffsetDateTime>,
    document: Json<Document>,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

impl TryFrom<Row> for Stored {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let cover = Cover {
            tenant: TenantId::from_uuid(row.tenant_id),
            id: ShipmentId::from_uuid(row.shipment_id),
            order: OrderId::from_uuid(row.order_id),
            state: row.state,
            version: row.version,
        };
        Ok(Self {
            shipment: row.document.0.shipment(&cover)?,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

pub(super) async fn find(
    conn: &mut PgConnection,
    tenant: TenantId,
    id: ShipmentId,
) -> Result<Option<Row>, DbError> {
    let row = sqlx::query_as(
        "select tenant_id, shipment_id, order_id, state, version, due_at, document, created_at,
             updated_at
         from shipments where tenant_id = $1 and shipment_id = $2",
    )
    .bind(tenant.as_uuid())
    .bind(id.as_uuid())
    .fetch_optional(conn)
    .await?;
    Ok(row)
}

/// Loads rows under locks, taken in the order of their keys.
pub(super) async fn lock(
    conn: &mut PgConnection,
    keys: &[(TenantId, ShipmentId)],
) -> Result<Vec<Row>, DbError> {
    let tenants: Vec<Uuid> = keys.iter().map(|(tenant, _)| tenant.as_uuid()).collect();
    let ids: Vec<Uuid> = keys.iter().map(|(_, id)| id.as_uuid()).collect();
    let rows = sqlx::query_as(
        "select tenant_id, shipment_id, order_id, state, version, due_at, document, created_at,
             updated_at
         from shipments
         where (tenant_id, shipment_id) in (select * from unnest($1::uuid[], $2::uuid[]))
         order by tenant_id, shipment_id
         for update",
    )
    .bind(tenants)
    .bind(ids)
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

/// Loads rows that are due, under locks; those that another process has locked are its own.
pub(super) async fn lock_due(conn: &mut PgConnection, limit: i64) -> Result<Vec<Row>, DbError> {
    let rows = sqlx::query_as(include_str!("lock_due.sql"))
        .bind(limit)
        .fetch_all(conn)
        .await?;
    Ok(rows)
}

pub(super) async fn clock(conn: &mut PgConnection) -> Result<OffsetDateTime, DbError> {
    let now = sqlx::query_scalar("select clock_timestamp()")
        .fetch_one(conn)
        .await?;
    Ok(now)
}

/// Writes shipments as their next versions, with one statement. Returns how many that were: one
/// that another process made meanwhile, which no lock can hold back, is left as it is.
pub(super) async fn write(
    conn: &mut PgConnection,
    shipments: &[(&Shipment, Option<OffsetDateTime>)],
) -> Result<usize, DbError> {
    let (mut tenants, mut ids, mut orders) = (Vec::new(), Vec::new(), Vec::new());
    let (mut states, mut versions) = (Vec::new(), Vec::new());
    let (mut due, mut documents) = (Vec::new(), Vec::new());
    for &(shipment, due_at) in shipments {
        tenants.push(shipment.tenant.as_uuid());
        ids.push(shipment.id.as_uuid());
        orders.push(shipment.order.as_uuid());
        states.push(shipment.state.name());
        versions.push(shipment.version + 1);
        due.push(due_at);
        documents.push(Json(Document::from(shipment)));
    }
    let done = sqlx::query(
        "insert into shipments as known
             (tenant_id, shipment_id, order_id, state, version, due_at, document)
         select tenant_id, shipment_id, order_id, state, version, due_at, document
         from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::bigint[],
                 $6::timestamptz[], $7::jsonb[])
             as u(tenant_id, shipment_id, order_id, state, version, due_at, document)
         on conflict on constraint shipments_pk do update
         set state = excluded.state, version = excluded.version, due_at = excluded.due_at,
             document = excluded.document, updated_at = now()
         where known.version = excluded.version - 1",
    )
    .bind(tenants)
    .bind(ids)
    .bind(orders)
    .bind(states)
    .bind(versions)
    .bind(due)
    .bind(documents)
    .execute(conn)
    .await?;
    Ok(usize::try_from(done.rows_affected()).unwrap_or(usize::MAX))
}
