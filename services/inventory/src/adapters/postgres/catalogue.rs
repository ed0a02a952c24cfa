//! The catalogue: every method is one transaction of one tenant.

use async_trait::async_trait;
use sqlx::PgConnection;
use tradepost_postgres::idempotency::{self, Claim};
use tradepost_postgres::{DbError, TenantTx, retrying};
use tradepost_types::{MovementId, Sku, TenantId};
use uuid::Uuid;

use super::PgInventory;
use super::rows::{ItemRow, MovementRow};
use crate::domain::{Item, Movement, Stock};
use crate::ports::{CatalogueStore, NewItem, NewMovement, RequestKey, StoreError};

const PUT: &str = "PutItem";
const RECORD: &str = "RecordStockMovement";
/// What is remembered of a call that created an item, and of one that replaced it.
const CREATED: &[u8] = b"created";
const REPLACED: &[u8] = b"replaced";

#[async_trait]
impl CatalogueStore for PgInventory {
    async fn put(
        &self,
        tenant: TenantId,
        key: &RequestKey,
        item: NewItem,
    ) -> Result<(Item, bool), StoreError> {
        retrying(|| self.try_put(tenant, key, &item)).await
    }

    async fn get_many(&self, tenant: TenantId, skus: &[Sku]) -> Result<Vec<Item>, StoreError> {
        let names: Vec<&str> = skus.iter().map(Sku::as_str).collect();
        let mut tx = self.database.tenant_tx(tenant).await?;
        let rows: Vec<ItemRow> = sqlx::query_as(
            "select sku, name, price_minor, currency, weight_grams, active, on_hand, reserved,
                    created_at, updated_at
             from items where tenant_id = $1 and sku = any($2) order by sku collate \"C\"",
        )
        .bind(tenant.as_uuid())
        .bind(names)
        .fetch_all(tx.conn())
        .await
        .map_err(DbError::from)?;
        tx.commit().await?;
        Ok(items(rows)?)
    }

    async fn list(
        &self,
        tenant: TenantId,
        prefix: &str,
        after: Option<&str>,
        limit: i64,
    ) -> Result<Vec<Item>, StoreError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        let rows: Vec<ItemRow> = sqlx::query_as(include_str!("list_items.sql"))
            .bind(tenant.as_uuid())
            .bind(prefix)
            .bind(after.unwrap_or_default())
            .bind(limit)
            .fetch_all(tx.conn())
            .await
            .map_err(DbError::from)?;
        tx.commit().await?;
        Ok(items(rows)?)
    }

    async fn record(
        &self,
        tenant: TenantId,
        key: &RequestKey,
        movement: NewMovement,
    ) -> Result<(Movement, Stock), StoreError> {
        retrying(|| self.try_record(tenant, key, &movement)).await
    }

    async fn movements(
        &self,
        tenant: TenantId,
        sku: &Sku,
        before: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<Movement>, StoreError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        let known = stock(tx.conn(), tenant, sku).await?;
        let rows: Vec<MovementRow> = sqlx::query_as(
            "select movement_id, sku, kind, delta, on_hand_after, reference, created_at
             from stock_movements
             where tenant_id = $1 and sku = $2 and ($3::uuid is null or movement_id < $3)
             order by movement_id desc limit $4",
        )
        .bind(tenant.as_uuid())
        .bind(sku.as_str())
        .bind(before)
        .bind(limit)
        .fetch_all(tx.conn())
        .await
        .map_err(DbError::from)?;
        tx.commit().await?;
        known.ok_or(StoreError::ItemNotFound)?;
        Ok(rows
            .into_iter()
            .map(Movement::try_from)
            .collect::<Result<_, _>>()?)
    }
}

impl PgInventory {
    async fn try_put(
        &self,
        tenant: TenantId,
        key: &RequestKey,
        item: &NewItem,
    ) -> Result<(Item, bool), StoreError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        let created = match claim(&mut tx, PUT, key).await? {
            Some(remembered) => remembered == CREATED,
            None => {
                let created = upsert(tx.conn(), tenant, item).await?;
                let remembered = if created { CREATED } else { REPLACED };
                idempotency::complete(tx.conn(), tenant, PUT, &key.id, remembered).await?;
                created
            }
        };
        let stored = load(tx.conn(), tenant, &item.sku).await?;
        tx.commit().await?;
        Ok((stored, created))
    }

    async fn try_record(
        &self,
        tenant: TenantId,
        key: &RequestKey,
        new: &NewMovement,
    ) -> Result<(Movement, Stock), StoreError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        let id = match claim(&mut tx, RECORD, key).await? {
            Some(remembered) => Uuid::from_slice(&remembered).unwrap_or_default(),
            None => {
                let id = MovementId::new().as_uuid();
                move_stock(tx.conn(), tenant, new, id).await?;
                idempotency::complete(tx.conn(), tenant, RECORD, &key.id, id.as_bytes()).await?;
                id
            }
        };
        let row: MovementRow = sqlx::query_as(
            "select movement_id, sku, kind, delta, on_hand_after, reference, created_at
             from stock_movements where tenant_id = $1 and movement_id = $2",
        )
        .bind(tenant.as_uuid())
        .bind(id)
        .fetch_one(tx.conn())
        .await
        .map_err(DbError::from)?;
        let stock = stock(tx.conn(), tenant, &new.sku)
            .await?
            .ok_or(StoreError::ItemNotFound)?;
        tx.commit().await?;
        Ok((Movement::try_from(row)?, stock))
    }
}

/// What is remembered of an earlier call, or `None` for a new one.
async fn claim(
    tx: &mut TenantTx,
    operation: &str,
    key: &RequestKey,
) -> Result<Option<Vec<u8>>, StoreError> {
    let tenant = tx.tenant();
    match idempotency::claim(tx.conn(), tenant, operation, &key.id, &key.fingerprint).await? {
        Claim::Fresh => Ok(None),
        Claim::Replay(remembered) => Ok(Some(remembered)),
        Claim::Mismatch => Err(StoreError::RequestIdReused),
    }
}

fn items(rows: Vec<ItemRow>) -> Result<Vec<Item>, DbError> {
    rows.into_iter().map(Item::try_from).collect()
}

/// Creates or replaces an entry; whether it was created. The stock and the currency stay.
async fn upsert(
    conn: &mut PgConnection,
    tenant: TenantId,
    item: &NewItem,
) -> Result<bool, StoreError> {
    let written: Option<(bool,)> = sqlx::query_as(
        "insert into items (tenant_id, sku, name, price_minor, currency, weight_grams, active)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict on constraint items_pk do update
         set name = excluded.name, price_minor = excluded.price_minor,
             weight_grams = excluded.weight_grams, active = excluded.active, updated_at = now()
         where items.currency = excluded.currency
         returning xmax = 0",
    )
    .bind(tenant.as_uuid())
    .bind(item.sku.as_str())
    .bind(&item.name)
    .bind(item.price.minor_units())
    .bind(item.price.currency().code())
    .bind(item.weight_grams)
    .bind(item.active)
    .fetch_optional(conn)
    .await
    .map_err(DbError::from)?;
    written
        .map(|(created,)| created)
        .ok_or(StoreError::CurrencyChanged)
}

async fn load(conn: &mut PgConnection, tenant: TenantId, sku: &Sku) -> Result<Item, StoreError> {
    let row: Option<ItemRow> = sqlx::query_as(
        "select sku, name, price_minor, currency, weight_grams, active, on_hand, reserved,
                created_at, updated_at
         from items where tenant_id = $1 and sku = $2",
    )
    .bind(tenant.as_uuid())
    .bind(sku.as_str())
    .fetch_optional(conn)
    .await
    .map_err(DbError::from)?;
    Ok(row.ok_or(StoreError::ItemNotFound)?.try_into()?)
}

async fn stock(
    conn: &mut PgConnection,
    tenant: TenantId,
    sku: &Sku,
) -> Result<Option<Stock>, StoreError> {
    let row: Option<(i64, i64)> =
        sqlx::query_as("select on_hand, reserved from items where tenant_id = $1 and sku = $2")
            .bind(tenant.as_uuid())
            .bind(sku.as_str())
            .fetch_optional(conn)
            .await
            .map_err(DbError::from)?;
    Ok(row.map(|(on_hand, reserved)| Stock { on_hand, reserved }))
}

/// Moves the stock under the item's lock, by the domain's rule, and records why.
async fn move_stock(
    conn: &mut PgConnection,
    tenant: TenantId,
    new: &NewMovement,
    id: Uuid,
) -> Result<(), StoreError> {
    let locked: Option<(i64, i64)> = sqlx::query_as(
        "select on_hand, reserved from items where tenant_id = $1 and sku = $2 for update",
    )
    .bind(tenant.as_uuid())
    .bind(new.sku.as_str())
    .fetch_optional(&mut *conn)
    .await
    .map_err(DbError::from)?;
    let (on_hand, reserved) = locked.ok_or(StoreError::ItemNotFound)?;
    let moved = Stock { on_hand, reserved }
        .moved_by(new.delta)
        .map_err(StoreError::Stock)?;
    sqlx::query(
        "with moved as (
             update items set on_hand = $3 where tenant_id = $1 and sku = $2)
         insert into stock_movements
             (tenant_id, movement_id, sku, kind, delta, on_hand_after, reference)
         values ($1, $4, $2, $5, $6, $3, $7)",
    )
    .bind(tenant.as_uuid())
    .bind(new.sku.as_str())
    .bind(moved.on_hand)
    .bind(id)
    .bind(new.kind.name())
    .bind(new.delta)
    .bind(&new.reference)
    .execute(conn)
    .await
    .map_err(DbError::from)?;
    Ok(())
}
