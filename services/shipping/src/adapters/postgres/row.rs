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

/// Loads rows that are due when the transaction begins, under locks; those that another process has
/// locked are its own.
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

/// The clock, and when the first is due of those that were not when the transaction began.
pub(super) async fn clock_and_next_due(
    conn: &mut PgConnection,
) -> Result<(OffsetDateTime, Option<OffsetDateTime>), DbError> {
    let found = sqlx::query_as(include_str!("next_due.sql"))
        .fetch_one(conn)
        .await?;
    Ok(found)
}

/// The columns of shipments that are written, each as its next version.
#[derive(Default)]
pub(super) struct Columns {
    tenants: Vec<Uuid>,
    ids: Vec<Uuid>,
    orders: Vec<Uuid>,
    states: Vec<&'static str>,
    versions: Vec<i64>,
    due: Vec<Option<OffsetDateTime>>,
    documents: Vec<Json<Document>>,
}

impl Columns {
    pub(super) fn push(&mut self, shipment: &Shipment, due_at: Option<OffsetDateTime>) {
        self.tenants.push(shipment.tenant.as_uuid());
        self.ids.push(shipment.id.as_uuid());
        self.orders.push(shipment.order.as_uuid());
        self.states.push(shipment.state.name());
        self.versions.push(shipment.version + 1);
        self.due.push(due_at);
        self.documents.push(Json(Document::from(shipment)));
    }

    /// Replaces the rows these are the next versions of. Returns whether it did so with all.
    pub(super) async fn replace(&self, conn: &mut PgConnection) -> Result<bool, DbError> {
        self.store(
            conn,
            "update shipments as known
             set state = u.state, version = u.version, due_at = u.due_at, document = u.document,
                 updated_at = now()
             from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::bigint[],
                     $6::timestamptz[], $7::jsonb[])
                 as u(tenant_id, shipment_id, order_id, state, version, due_at, document)
             where known.tenant_id = u.tenant_id and known.shipment_id = u.shipment_id
                 and known.version = u.version - 1",
        )
        .await
    }

    /// Adds rows. Returns whether it did so with all: one that another transaction made meanwhile,
    /// which no lock can hold back, is left as it is, and so is one whose order has a shipment.
    ///
    /// No constraint is named: beside one that is, the others raise an error, and of two
    /// transactions with the same shipment one would now and then be told that its order has one.
    pub(super) async fn add(&self, conn: &mut PgConnection) -> Result<bool, DbError> {
        self.store(
            conn,
            "insert into shipments
                 (tenant_id, shipment_id, order_id, state, version, due_at, document)
             select tenant_id, shipment_id, order_id, state, version, due_at, document
             from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::bigint[],
                     $6::timestamptz[], $7::jsonb[])
                 as u(tenant_id, shipment_id, order_id, state, version, due_at, document)
             on conflict do nothing",
        )
        .await
    }

    /// Whether one of these orders has another shipment that goes out.
    pub(super) async fn order_is_taken(&self, conn: &mut PgConnection) -> Result<bool, DbError> {
        let taken = sqlx::query_scalar(
            "select exists (
                 select from unnest($1::uuid[], $2::uuid[], $3::uuid[])
                     as u(tenant_id, shipment_id, order_id)
                 join shipments s on s.tenant_id = u.tenant_id and s.order_id = u.order_id
                 where s.shipment_id <> u.shipment_id and s.state <> 'voided')",
        )
        .bind(&self.tenants)
        .bind(&self.ids)
        .bind(&self.orders)
        .fetch_one(conn)
        .await?;
        Ok(taken)
    }

    async fn store(
        &self,
        conn: &mut PgConnection,
        statement: &'static str,
    ) -> Result<bool, DbError> {
        if self.ids.is_empty() {
            return Ok(true);
        }
        let done = sqlx::query(statement)
            .bind(&self.tenants)
            .bind(&self.ids)
            .bind(&self.orders)
            .bind(&self.states)
            .bind(&self.versions)
            .bind(&self.due)
            .bind(&self.documents)
            .execute(conn)
            .await?;
        Ok(usize::try_from(done.rows_affected()) == Ok(self.ids.len()))
    }
}
