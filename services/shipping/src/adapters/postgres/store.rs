//! Loads documents under locks, lets them be changed, and writes them back with their news.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;
use tradepost_messaging::{Message, Outgoing, inbox};
use tradepost_postgres::idempotency::{self, Claim};
use tradepost_postgres::{DbError, RetryableTx, SystemTx, retrying};
use tradepost_types::{ShipmentId, TenantId};
use uuid::Uuid;

use super::PgShipments;
use super::document::{Document, Row};
use crate::adapters::amqp::render::news;
use crate::domain::{Shipment, Update, Verdict};
use crate::ports::{Decide, RequestKey, ShipmentStore, StoreError, Stored, Target};

/// The name under which the inbox knows this consumer.
const CONSUMER: &str = "shipping.commands";
const REPORT: &str = "RecordTrackingEvent";

type Key = (TenantId, ShipmentId);

impl RetryableTx for StoreError {
    /// Two batches may meet a new shipment at once; the second one then finds it stored.
    fn is_serialization_failure(&self) -> bool {
        match self {
            Self::Database(error) => {
                error.is_serialization_failure() || error.constraint() == Some("shipments_pk")
            }
            Self::RequestIdReused | Self::NotFound | Self::Illegal { .. } => false,
        }
    }
}

/// What a batch works on: the documents, when each is due, and what is told.
#[derive(Default)]
struct Desk {
    documents: BTreeMap<Key, Shipment>,
    changed: BTreeMap<Key, Option<Duration>>,
    told: Vec<Outgoing>,
}

impl Desk {
    fn decide(
        &mut self,
        (index, key, cause): (usize, Key, Option<&Message>),
        decide: Decide<'_>,
        now: OffsetDateTime,
    ) {
        let stored = self.documents.get(&key).cloned();
        let Some(decision) = decide(index, stored, now) else {
            return;
        };
        let told = decision
            .news
            .iter()
            .map(|each| news(&decision.shipment, each, cause));
        self.told.extend(told);
        self.changed.insert(key, decision.due_after);
        self.documents.insert(key, decision.shipment);
    }
}

#[async_trait]
impl ShipmentStore for PgShipments {
    async fn change(&self, targets: &[Target], decide: Decide<'_>) -> Result<(), StoreError> {
        retrying(|| self.try_change(targets, decide)).await?;
        self.outbox.wake();
        Ok(())
    }

    async fn advance_due(&self, limit: i64, decide: Decide<'_>) -> Result<usize, StoreError> {
        let moved = retrying(|| self.try_advance(limit, decide)).await?;
        if moved > 0 {
            self.outbox.wake();
        }
        Ok(moved)
    }

    async fn report(
        &self,
        tenant: TenantId,
        id: ShipmentId,
        key: &RequestKey,
        update: Update,
    ) -> Result<Stored, StoreError> {
        let stored = retrying(|| self.try_report(tenant, id, key, &update)).await?;
        self.outbox.wake();
        Ok(stored)
    }

    async fn find(&self, tenant: TenantId, id: ShipmentId) -> Result<Option<Stored>, StoreError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        let row: Option<Row> = sqlx::query_as(
            "select tenant_id, shipment_id, order_id, state, document, created_at, updated_at
             from shipments where tenant_id = $1 and shipment_id = $2",
        )
        .bind(tenant.as_uuid())
        .bind(id.as_uuid())
        .fetch_optional(tx.conn())
        .await
        .map_err(DbError::from)?;
        tx.commit().await?;
        Ok(row.map(Stored::try_from).transpose()?)
    }
}

impl PgShipments {
    async fn try_change(&self, targets: &[Target], decide: Decide<'_>) -> Result<(), StoreError> {
        let mut tx = self.database.system_tx().await?;
        let causes: Vec<&Message> = targets.iter().map(|target| &target.cause).collect();
        let mut fresh = inbox::claim(tx.conn(), CONSUMER, &causes).await?;
        let mut desk = Desk::default();
        let keys: Vec<Key> = targets
            .iter()
            .map(|target| (target.tenant, target.id))
            .collect();
        lock(tx.conn(), &keys, &mut desk).await?;
        let now = clock(tx.conn()).await?;
        for (index, target) in targets.iter().enumerate() {
            // A message that occurs twice in one batch is handled once.
            if fresh.remove(&target.cause.id) {
                let key = (target.tenant, target.id);
                desk.decide((index, key, Some(&target.cause)), decide, now);
            }
        }
        self.save(tx, desk).await
    }

    async fn try_advance(&self, limit: i64, decide: Decide<'_>) -> Result<usize, StoreError> {
        let mut tx = self.database.system_tx().await?;
        let rows: Vec<Row> = sqlx::query_as(
            "select tenant_id, shipment_id, order_id, state, document, created_at, updated_at
             from shipments where due_at <= clock_timestamp()
             order by due_at limit $1 for update skip locked",
        )
        .bind(limit)
        .fetch_all(tx.conn())
        .await
        .map_err(DbError::from)?;
        if rows.is_empty() {
            tx.rollback().await;
            return Ok(0);
        }
        let now = clock(tx.conn()).await?;
        let mut desk = Desk::default();
        let mut keys = Vec::with_capacity(rows.len());
        for row in rows {
            let shipment = Stored::try_from(row)?.shipment;
            keys.push((shipment.tenant, shipment.id));
            desk.documents
                .insert((shipment.tenant, shipment.id), shipment);
        }
        for (index, &key) in keys.iter().enumerate() {
            desk.decide((index, key, None), decide, now);
        }
        self.save(tx, desk).await?;
        Ok(keys.len())
    }

    /// The tenant's own role finds the shipment: a foreign one does not exist.
    async fn try_report(
        &self,
        tenant: TenantId,
        id: ShipmentId,
        key: &RequestKey,
        update: &Update,
    ) -> Result<Stored, StoreError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        let claim =
            idempotency::claim(tx.conn(), tenant, REPORT, &key.id, &key.fingerprint).await?;
        let mut desk = Desk::default();
        lock(tx.conn(), &[(tenant, id)], &mut desk).await?;
        let mut shipment = desk
            .documents
            .remove(&(tenant, id))
            .ok_or(StoreError::NotFound)?;
        match claim {
            Claim::Mismatch => return Err(StoreError::RequestIdReused),
            Claim::Replay(_) => {}
            Claim::Fresh => {
                let from = shipment.state;
                let told = match shipment.report(update.clone()) {
                    Verdict::Illegal => return Err(StoreError::Illegal { from }),
                    Verdict::Moved(told) => told,
                    Verdict::Noted | Verdict::Known => Vec::new(),
                };
                desk.told
                    .extend(told.iter().map(|each| news(&shipment, each, None)));
                // Whoever reports a parcel's way moves it from then on; the clock lets go of it.
                desk.changed.insert((tenant, id), None);
                desk.documents.insert((tenant, id), shipment);
                write(tx.conn(), &desk).await?;
                self.outbox.append(tx.conn(), &desk.told).await?;
                idempotency::complete(tx.conn(), tenant, REPORT, &key.id, b"recorded").await?;
            }
        }
        tx.commit().await?;
        self.find(tenant, id).await?.ok_or(StoreError::NotFound)
    }

    async fn save(&self, mut tx: SystemTx, desk: Desk) -> Result<(), StoreError> {
        write(tx.conn(), &desk).await?;
        self.outbox.append(tx.conn(), &desk.told).await?;
        Ok(tx.commit().await?)
    }
}

async fn clock(conn: &mut PgConnection) -> Result<OffsetDateTime, DbError> {
    let now = sqlx::query_scalar("select clock_timestamp()")
        .fetch_one(conn)
        .await?;
    Ok(now)
}

/// Loads documents under locks, taken in the order of their keys.
async fn lock(conn: &mut PgConnection, keys: &[Key], desk: &mut Desk) -> Result<(), DbError> {
    let tenants: Vec<Uuid> = keys.iter().map(|(tenant, _)| tenant.as_uuid()).collect();
    let ids: Vec<Uuid> = keys.iter().map(|(_, id)| id.as_uuid()).collect();
    let rows: Vec<Row> = sqlx::query_as(
        "select tenant_id, shipment_id, order_id, state, document, created_at, updated_at
         from shipments
         where (tenant_id, shipment_id) in (select * from unnest($1::uuid[], $2::uuid[]))
         order by tenant_id, shipment_id
         for update",
    )
    .bind(tenants)
    .bind(ids)
    .fetch_all(conn)
    .await?;
    for row in rows {
        let shipment = Stored::try_from(row)?.shipment;
        desk.documents
            .insert((shipment.tenant, shipment.id), shipment);
    }
    Ok(())
}

/// Writes the changed documents with one statement.
async fn write(conn: &mut PgConnection, desk: &Desk) -> Result<(), DbError> {
    let (mut tenants, mut ids, mut orders) = (Vec::new(), Vec::new(), Vec::new());
    let (mut states, mut documents, mut due) = (Vec::new(), Vec::new(), Vec::new());
    for (key, due_after) in &desk.changed {
        let Some(shipment) = desk.documents.get(key) else {
            continue;
        };
        tenants.push(shipment.tenant.as_uuid());
        ids.push(shipment.id.as_uuid());
        orders.push(shipment.order.as_uuid());
        states.push(shipment.state.name());
        documents.push(Json(Document::from(shipment)));
        due.push(due_after.map(|after| i64::try_from(after.as_millis()).unwrap_or(i64::MAX)));
    }
    if ids.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into shipments (tenant_id, shipment_id, order_id, state, document, due_at)
         select tenant_id, shipment_id, order_id, state, document,
                clock_timestamp() + due_ms * interval '1 millisecond'
         from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::jsonb[], $6::bigint[])
             as u(tenant_id, shipment_id, order_id, state, document, due_ms)
         on conflict on constraint shipments_pk do update
         set state = excluded.state, document = excluded.document, due_at = excluded.due_at,
             updated_at = now()",
    )
    .bind(tenants)
    .bind(ids)
    .bind(orders)
    .bind(states)
    .bind(documents)
    .bind(due)
    .execute(conn)
    .await?;
    Ok(())
}
