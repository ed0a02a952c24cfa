//! Reading orders, lines, events and lists.

use std::collections::HashMap;

use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, Postgres, QueryBuilder};
use time::OffsetDateTime;
use tradepost_types::{Money, OrderId, Quantity, TenantId};
use uuid::Uuid;

use super::row::{FaultyRow, OrderRow, order_columns};
use super::stored::StoredEvent;
use crate::domain::{Event, EventKind, Line, Order, Recorded};
use crate::ports::{Filter, Position, StoreError};

pub(super) async fn find(
    conn: &mut PgConnection,
    tenant: TenantId,
    id: OrderId,
) -> Result<Option<Order>, StoreError> {
    let row: Option<OrderRow> = sqlx::query_as(concat!(
        "select ",
        order_columns!(),
        " from orders o where o.tenant_id = $1 and o.order_id = $2"
    ))
    .bind(tenant.as_uuid())
    .bind(id.as_uuid())
    .fetch_optional(conn)
    .await?;
    row.map(OrderRow::into_order).transpose()
}

/// Those of these orders that the tenant has.
pub(super) async fn find_all(
    conn: &mut PgConnection,
    tenant: TenantId,
    ids: &[OrderId],
) -> Result<HashMap<OrderId, Order>, StoreError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
    let rows: Vec<OrderRow> = sqlx::query_as(concat!(
        "select ",
        order_columns!(),
        " from unnest($2::uuid[]) as u(order_id)
          join orders o on o.tenant_id = $1 and o.order_id = u.order_id"
    ))
    .bind(tenant.as_uuid())
    .bind(ids)
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| row.into_order().map(|order| (order.id, order)))
        .collect()
}

/// Locks the orders in the order of their ids, so that two batches cannot deadlock.
pub(super) async fn lock(
    conn: &mut PgConnection,
    orders: &[(TenantId, OrderId)],
) -> Result<Vec<OrderRow>, StoreError> {
    let (tenants, ids) = columns(orders);
    let rows = sqlx::query_as(concat!(
        "select ",
        order_columns!(),
        " from orders o
          join unnest($1::uuid[], $2::uuid[]) as u(tenant_id, order_id)
            on o.tenant_id = u.tenant_id and o.order_id = u.order_id
          order by o.tenant_id, o.order_id
          for update of o"
    ))
    .bind(tenants)
    .bind(ids)
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

/// Locks orders whose deadline passed, by the database's clock, that nobody else works on.
pub(super) async fn lock_due(
    conn: &mut PgConnection,
    versions: &[i32],
    limit: i64,
) -> Result<Vec<OrderRow>, StoreError> {
    let rows = sqlx::query_as(concat!(
        "select ",
        order_columns!(),
        " from orders o
          where o.deadline_at <= now() and o.saga_version = any($1)
          order by o.deadline_at
          limit $2
          for update of o skip locked"
    ))
    .bind(versions)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

#[derive(FromRow)]
struct LineRow {
    order_id: Uuid,
    sku: String,
    name: String,
    quantity: i32,
    currency: String,
    unit_price_minor: i64,
    agreed_price: bool,
}

/// The lines of many orders.
pub(super) async fn lines(
    conn: &mut PgConnection,
    orders: &[(TenantId, OrderId)],
) -> Result<HashMap<OrderId, Vec<Line>>, StoreError> {
    let (tenants, ids) = columns(orders);
    let rows: Vec<LineRow> = sqlx::query_as(
        "select l.order_id, l.sku, l.name, l.quantity, o.currency, l.unit_price_minor,
            l.agreed_price
         from unnest($1::uuid[], $2::uuid[]) as u(tenant_id, order_id)
         join orders o on o.tenant_id = u.tenant_id and o.order_id = u.order_id
         join order_lines l on l.tenant_id = u.tenant_id and l.order_id = u.order_id
         order by l.tenant_id, l.order_id, l.line_number",
    )
    .bind(tenants)
    .bind(ids)
    .fetch_all(conn)
    .await?;
    let mut lines: HashMap<OrderId, Vec<Line>> = HashMap::new();
    for row in rows {
        let order = OrderId::from_uuid(row.order_id);
        lines.entry(order).or_default().push(row.into_line()?);
    }
    Ok(lines)
}

impl LineRow {
    fn into_line(self) -> Result<Line, FaultyRow> {
        let fault = |what: String| FaultyRow {
            order: self.order_id,
            what,
        };
        let currency = self
            .currency
            .parse()
            .map_err(|error| fault(format!("currency: {error}")))?;
        Ok(Line {
            sku: self
                .sku
                .parse()
                .map_err(|error| fault(format!("sku: {error}")))?,
            quantity: Quantity::try_from(i64::from(self.quantity))
                .map_err(|error| fault(format!("quantity: {error}")))?,
            unit_price: Money::new(self.unit_price_minor, currency),
            name: self.name,
            agreed_price: self.agreed_price,
        })
    }
}

#[derive(FromRow)]
struct EventRow {
    version: i64,
    #[sqlx(rename = "type")]
    kind: String,
    description: String,
    data: Json<StoredEvent>,
    cause: String,
    trace_id: String,
    created_at: OffsetDateTime,
}

pub(super) async fn events(
    conn: &mut PgConnection,
    tenant: TenantId,
    id: OrderId,
) -> Result<Vec<Recorded>, StoreError> {
    let rows: Vec<EventRow> = sqlx::query_as(
        "select version, type, description, data, cause, trace_id, created_at
         from order_events
         where tenant_id = $1 and order_id = $2
         order by version",
    )
    .bind(tenant.as_uuid())
    .bind(id.as_uuid())
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| row.into_recorded(id).map_err(StoreError::from))
        .collect()
}

impl EventRow {
    fn into_recorded(self, id: OrderId) -> Result<Recorded, FaultyRow> {
        let fault = |what: String| FaultyRow {
            order: id.as_uuid(),
            what,
        };
        let kind = EventKind::ALL
            .iter()
            .copied()
            .find(|kind| kind.name() == self.kind)
            .ok_or_else(|| fault(format!("unknown event type {}", self.kind)))?;
        let placed = match self.data.0.placed {
            None => None,
            Some(stored) => {
                let version = stored.saga_version;
                let details = stored
                    .into_details()
                    .map_err(|error| fault(error.to_string()))?;
                Some((details, version))
            }
        };
        Ok(Recorded {
            version: self.version,
            event: Event {
                kind,
                description: self.description,
                saga: self.data.0.saga.into(),
            },
            placed,
            cause: self.cause,
            trace_id: self.trace_id,
            at: self.created_at,
        })
    }
}

pub(super) async fn list(
    conn: &mut PgConnection,
    tenant: TenantId,
    filter: &Filter,
    after: Option<Position>,
    limit: i64,
) -> Result<Vec<Order>, StoreError> {
    let mut query = QueryBuilder::<Postgres>::new(concat!(
        "select ",
        order_columns!(),
        " from orders o where o.tenant_id = "
    ));
    query.push_bind(tenant.as_uuid());
    if !filter.states.is_empty() {
        let names: Vec<&str> = filter.states.iter().map(|state| state.name()).collect();
        query.push(" and o.state = any(").push_bind(names).push(")");
    }
    if !filter.customer_ref.is_empty() {
        query.push(" and o.customer_ref = ");
        query.push_bind(filter.customer_ref.clone());
    }
    if let Some(from) = filter.from {
        query.push(" and o.created_at >= ").push_bind(from);
    }
    if let Some(until) = filter.until {
        query.push(" and o.created_at < ").push_bind(until);
    }
    if let Some((created_at, id)) = after {
        query.push(" and (o.created_at, o.order_id) < (");
        query.push_bind(created_at).push(", ");
        query.push_bind(id.as_uuid()).push(")");
    }
    query.push(" order by o.created_at desc, o.order_id desc limit ");
    query.push_bind(limit);
    let rows: Vec<OrderRow> = query.build_query_as().fetch_all(conn).await?;
    rows.into_iter().map(OrderRow::into_order).collect()
}

pub(super) async fn list_stuck(
    conn: &mut PgConnection,
    tenant: TenantId,
    after: Option<Position>,
    limit: i64,
) -> Result<Vec<Order>, StoreError> {
    let (since, id) = after.map_or((None, None), |(at, id)| (Some(at), Some(id.as_uuid())));
    let rows: Vec<OrderRow> = sqlx::query_as(concat!(
        "select ",
        order_columns!(),
        " from orders o
          where o.tenant_id = $1 and o.state = 'needs_attention'
            and ($2::timestamptz is null or (o.created_at, o.order_id) > ($2, $3))
          order by o.created_at, o.order_id
          limit $4"
    ))
    .bind(tenant.as_uuid())
    .bind(since)
    .bind(id)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(OrderRow::into_order).collect()
}

pub(super) async fn versions(
    conn: &mut PgConnection,
    orders: &[(TenantId, OrderId)],
) -> Result<HashMap<OrderId, i64>, StoreError> {
    let (tenants, ids) = columns(orders);
    let rows: Vec<(Uuid, i64)> = sqlx::query_as(
        "select o.order_id, o.version
         from unnest($1::uuid[], $2::uuid[]) as u(tenant_id, order_id)
         join orders o on o.tenant_id = u.tenant_id and o.order_id = u.order_id",
    )
    .bind(tenants)
    .bind(ids)
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(id, version)| (OrderId::from_uuid(id), version))
        .collect())
}

/// Live orders are those with a timer, which is a small index, and those that are stuck.
pub(super) async fn live_by_state(
    conn: &mut PgConnection,
) -> Result<HashMap<String, i64>, StoreError> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "select state, count(*) from orders where deadline_at is not null group by state
         union all
         select 'needs_attention', count(*) from orders where state = 'needs_attention'",
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().collect())
}

fn columns(orders: &[(TenantId, OrderId)]) -> (Vec<Uuid>, Vec<Uuid>) {
    orders
        .iter()
        .map(|(tenant, id)| (tenant.as_uuid(), id.as_uuid()))
        .unzip()
}
