//! Loads the part of the warehouse that a batch touches, under locks, and writes back what the
//! batch changed, each kind of row with one statement.
//!
//! Locks are taken in one order everywhere: reservations by id, then items by SKU. So batches wait
//! for each other and never for ever.

use std::collections::BTreeSet;

use sqlx::PgConnection;
use time::OffsetDateTime;
use tradepost_postgres::DbError;
use tradepost_types::{MovementId, TenantId};
use uuid::Uuid;

use super::rows::{ReservationRow, StoredShortfall, sku};
use crate::domain::{Action, Command, ItemKey, Reservation, ReservationState, Shelf, Stock};

/// Loads and locks what the commands touch, and reads the database's clock once the locks are
/// held: who waited for a lock is judged by the time after the wait.
pub(super) async fn load(
    conn: &mut PgConnection,
    commands: &[Command],
) -> Result<(Shelf, OffsetDateTime), DbError> {
    let mut shelf = Shelf::default();
    let mut keys = BTreeSet::new();
    for reservation in lock_reservations(conn, commands).await? {
        keys.extend(
            reservation
                .items
                .keys()
                .map(|sku| (reservation.tenant, sku.clone())),
        );
        shelf.put_reservation(reservation);
    }
    for command in commands {
        if let Action::Reserve { lines, .. } = &command.action {
            keys.extend(lines.iter().map(|(sku, _)| (command.tenant, sku.clone())));
        }
    }
    let keys = keys
        .into_iter()
        .map(|(tenant, sku)| ItemKey { tenant, sku })
        .collect::<Vec<_>>();
    lock_items(conn, &keys, &mut shelf).await?;
    let now = sqlx::query_scalar("select clock_timestamp()")
        .fetch_one(conn)
        .await?;
    Ok((shelf, now))
}

async fn lock_reservations(
    conn: &mut PgConnection,
    commands: &[Command],
) -> Result<Vec<Reservation>, DbError> {
    let tenants: Vec<Uuid> = commands.iter().map(|each| each.tenant.as_uuid()).collect();
    let ids: Vec<Uuid> = commands
        .iter()
        .map(|each| each.reservation.as_uuid())
        .collect();
    let rows: Vec<ReservationRow> = sqlx::query_as(
        "select tenant_id, reservation_id, order_id, state, skus, quantities, expire_at,
                reject_reason, shortfalls, created_at, updated_at
         from reservations
         where (tenant_id, reservation_id) in (select * from unnest($1::uuid[], $2::uuid[]))
         order by tenant_id, reservation_id
         for update",
    )
    .bind(tenants)
    .bind(ids)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Reservation::try_from).collect()
}

async fn lock_items(
    conn: &mut PgConnection,
    keys: &[ItemKey],
    shelf: &mut Shelf,
) -> Result<(), DbError> {
    if keys.is_empty() {
        return Ok(());
    }
    let tenants: Vec<Uuid> = keys.iter().map(|key| key.tenant.as_uuid()).collect();
    let skus: Vec<&str> = keys.iter().map(|key| key.sku.as_str()).collect();
    let rows: Vec<(Uuid, String, bool, i64, i64)> = sqlx::query_as(
        "select tenant_id, sku, active, on_hand, reserved
         from items
         where (tenant_id, sku) in (select * from unnest($1::uuid[], $2::text[]))
         order by tenant_id, sku
         for update",
    )
    .bind(tenants)
    .bind(skus)
    .fetch_all(conn)
    .await?;
    for (tenant, name, active, on_hand, reserved) in rows {
        let key = ItemKey {
            tenant: TenantId::from_uuid(tenant),
            sku: sku(&name)?,
        };
        shelf.put_item(key, active, Stock { on_hand, reserved });
    }
    Ok(())
}

/// Writes back everything that changed.
pub(super) async fn save(conn: &mut PgConnection, shelf: &Shelf) -> Result<(), DbError> {
    save_items(conn, shelf).await?;
    save_reservations(conn, shelf).await?;
    save_sales(conn, shelf).await
}

async fn save_items(conn: &mut PgConnection, shelf: &Shelf) -> Result<(), DbError> {
    let (mut tenants, mut skus) = (Vec::new(), Vec::new());
    let (mut on_hand, mut reserved) = (Vec::new(), Vec::new());
    for (key, stock) in shelf.changed_items() {
        tenants.push(key.tenant.as_uuid());
        skus.push(key.sku.as_str());
        on_hand.push(stock.on_hand);
        reserved.push(stock.reserved);
    }
    if tenants.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "update items set on_hand = u.on_hand, reserved = u.reserved
         from unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[])
             as u(tenant_id, sku, on_hand, reserved)
         where items.tenant_id = u.tenant_id and items.sku = u.sku",
    )
    .bind(tenants)
    .bind(skus)
    .bind(on_hand)
    .bind(reserved)
    .execute(conn)
    .await?;
    Ok(())
}

/// The changed reservations as one JSON array: their items are arrays of different lengths, which
/// `unnest` cannot carry.
///
/// No lock holds back what is not stored yet. A new reservation that another transaction stored
/// meanwhile was decided without it, so it is inserted plainly, and the whole batch loses.
async fn save_reservations(conn: &mut PgConnection, shelf: &Shelf) -> Result<(), DbError> {
    let rows: Vec<_> = shelf
        .changed_reservations()
        .map(|(reservation, is_new)| as_json(reservation, is_new))
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "with changed as materialized (
             select *
             from jsonb_to_recordset($1) as r(
                 is_new boolean, tenant_id uuid, reservation_id uuid, order_id uuid, state text,
                 skus text[], quantities bigint[], expire_at timestamptz, reject_reason text,
                 shortfalls jsonb)
         ), updated as (
             update reservations as known
             set state = r.state, expire_at = r.expire_at, updated_at = now()
             from changed r
             where not r.is_new and known.tenant_id = r.tenant_id
                 and known.reservation_id = r.reservation_id
         )
         insert into reservations (tenant_id, reservation_id, order_id, state, skus, quantities,
                                   expire_at, reject_reason, shortfalls)
         select tenant_id, reservation_id, order_id, state, skus, quantities, expire_at,
                reject_reason, shortfalls
         from changed where is_new",
    )
    .bind(sqlx::types::Json(rows))
    .execute(conn)
    .await?;
    Ok(())
}

fn as_json(reservation: &Reservation, is_new: bool) -> serde_json::Value {
    let (expire_at, why) = match &reservation.state {
        ReservationState::Held { expire_at } => (Some(*expire_at), None),
        ReservationState::Rejected(why) => (None, Some(why)),
        ReservationState::Committed | ReservationState::Released | ReservationState::Expired => {
            (None, None)
        }
    };
    let rfc_3339 = &time::format_description::well_known::Rfc3339;
    let shortfalls =
        why.map(|why| -> Vec<_> { why.shortfalls.iter().map(StoredShortfall::from).collect() });
    serde_json::json!({
        "is_new": is_new,
        "tenant_id": reservation.tenant.as_uuid(),
        "reservation_id": reservation.id.as_uuid(),
        "order_id": reservation.order.as_uuid(),
        "state": reservation.state.name(),
        "skus": reservation.items.keys().map(tradepost_types::Sku::as_str).collect::<Vec<_>>(),
        "quantities": reservation.items.values().collect::<Vec<_>>(),
        "expire_at": expire_at.and_then(|instant| instant.format(rfc_3339).ok()),
        "reject_reason": why.map(|why| why.reason.name()),
        "shortfalls": shortfalls,
    })
}

async fn save_sales(conn: &mut PgConnection, shelf: &Shelf) -> Result<(), DbError> {
    let sales = shelf.sales();
    if sales.is_empty() {
        return Ok(());
    }
    let tenants: Vec<Uuid> = sales.iter().map(|sale| sale.key.tenant.as_uuid()).collect();
    let ids: Vec<Uuid> = sales.iter().map(|_| MovementId::new().as_uuid()).collect();
    let skus: Vec<&str> = sales.iter().map(|sale| sale.key.sku.as_str()).collect();
    let kinds: Vec<&str> = sales.iter().map(|sale| sale.kind.name()).collect();
    let deltas: Vec<i64> = sales.iter().map(|sale| sale.delta).collect();
    let levels: Vec<i64> = sales.iter().map(|sale| sale.on_hand_after).collect();
    let references: Vec<String> = sales
        .iter()
        .map(|sale| sale.reservation.to_string())
        .collect();
    sqlx::query(
        "insert into stock_movements
             (tenant_id, movement_id, sku, kind, delta, on_hand_after, reference)
         select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bigint[],
                              $6::bigint[], $7::text[])",
    )
    .bind(tenants)
    .bind(ids)
    .bind(skus)
    .bind(kinds)
    .bind(deltas)
    .bind(levels)
    .bind(references)
    .execute(conn)
    .await?;
    Ok(())
}
