//! The rows of new orders: one statement for all of them.

use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;
use tradepost_types::TenantId;

use super::{PgOrders, Placement};
use crate::adapters::amqp;
use crate::adapters::postgres::stored::{StoredAddress, StoredDetails, StoredEvent};
use crate::domain::{Event, Line, NewOrder, Order, Timer};
use crate::ports::StoreError;

impl PgOrders {
    /// Inserts orders with their lines and first events, and returns the orders in the same order.
    pub(super) async fn insert(
        &self,
        conn: &mut PgConnection,
        tenant: TenantId,
        placements: &[&Placement],
    ) -> Result<Vec<Order>, StoreError> {
        if placements.is_empty() {
            return Ok(Vec::new());
        }
        let saga_version = self.definitions.newest();
        let step = self.definitions.policy().step;
        let orders = || placements.iter().map(|placement| &placement.order);
        let details = || orders().map(|order| &order.details);
        let events: Vec<Event> = orders().map(NewOrder::first_event).collect();
        let data = orders().zip(&events).map(|(order, event)| {
            Json(StoredEvent {
                saga: event.saga.clone().into(),
                placed: Some(StoredDetails::new(&order.details, saga_version)),
            })
        });
        let addresses = details().map(|details| Json(StoredAddress(details.address.clone())));
        let traces = || details().map(|details| details.traceparent.as_deref());
        let lines = Lines::of(orders());
        let created_at: OffsetDateTime = sqlx::query_scalar(INSERT)
            .bind(tenant.as_uuid())
            .bind(saga_version)
            .bind(step.whole_milliseconds() as f64)
            .bind(column(orders(), |order| order.id.as_uuid()))
            .bind(column(details(), |it| it.customer_ref.as_str()))
            .bind(column(details(), |it| it.total.currency().code()))
            .bind(column(details(), |it| it.total.minor_units()))
            .bind(column(details(), |it| it.weight_grams))
            .bind(column(details(), |it| it.line_count))
            .bind(column(details(), |it| it.unit_count))
            .bind(column(details(), |it| it.payment_method.as_str()))
            .bind(addresses.collect::<Vec<_>>())
            .bind(traces().collect::<Vec<_>>())
            .bind(column(&events, |event| event.saga.phase.state().name()))
            .bind(data.collect::<Vec<_>>())
            .bind(column(&events, |event| event.kind.name()))
            .bind(column(&events, |event| event.description.as_str()))
            .bind(column(placements, |placement| placement.cause().text()))
            .bind(column(traces(), amqp::trace_id))
            .bind(lines.orders)
            .bind(lines.numbers)
            .bind(column(&lines.lines, |line| line.sku.as_str()))
            .bind(column(&lines.lines, |line| line.name.as_str()))
            .bind(column(&lines.lines, |line| i64::from(line.quantity.get())))
            .bind(column(&lines.lines, |line| line.unit_price.minor_units()))
            .bind(column(&lines.lines, |line| line.agreed_price))
            .fetch_one(conn)
            .await?;
        let timer = Timer {
            at: Some(created_at + step),
            attempts: 0,
        };
        let made = orders().zip(events).map(|(new, event)| Order {
            tenant,
            id: new.id,
            details: new.details.clone(),
            saga_version,
            saga: event.saga,
            version: 1,
            created_at,
            updated_at: created_at,
            timer,
        });
        Ok(made.collect())
    }
}

/// The lines of many orders, with the place of each line's order and its number there.
struct Lines<'a> {
    orders: Vec<i64>,
    numbers: Vec<i32>,
    lines: Vec<&'a Line>,
}

impl<'a> Lines<'a> {
    fn of(orders: impl Iterator<Item = &'a NewOrder>) -> Self {
        let (mut places, mut numbers, mut lines) = (Vec::new(), Vec::new(), Vec::new());
        for (place, order) in (1_i64..).zip(orders) {
            for (number, line) in (1_i32..).zip(&order.lines) {
                places.push(place);
                numbers.push(number);
                lines.push(line);
            }
        }
        Self {
            orders: places,
            numbers,
            lines,
        }
    }
}

fn column<S, T>(source: impl IntoIterator<Item = S>, value: impl Fn(S) -> T) -> Vec<T> {
    source.into_iter().map(value).collect()
}

const INSERT: &str = "
with new as materialized (
    select * from unnest($4::uuid[], $5::text[], $6::text[], $7::int8[], $8::int8[], $9::int4[],
        $10::int8[], $11::text[], $12::jsonb[], $13::text[], $14::text[], $15::jsonb[],
        $16::text[], $17::text[], $18::text[], $19::text[]) with ordinality
        as u(order_id, customer_ref, currency, total_minor, weight_grams, line_count,
            unit_count, payment_method, shipping_address, traceparent, state, data,
            type, description, cause, trace_id, place)
), placed as (
    insert into orders (tenant_id, order_id, customer_ref, currency, total_minor, weight_grams,
        line_count, unit_count, payment_method, shipping_address, traceparent, saga_version,
        state, saga, version, deadline_at, created_at, updated_at)
    select $1, order_id, customer_ref, currency, total_minor, weight_grams, line_count, unit_count,
        payment_method, shipping_address, traceparent, $2, state, data -> 'saga', 1,
        now() + $3 * interval '1 millisecond', now(), now()
    from new
), lines as (
    insert into order_lines (tenant_id, order_id, line_number, sku, name, quantity,
        unit_price_minor, agreed_price)
    select $1, new.order_id, u.line_number, u.sku, u.name, u.quantity, u.unit_price_minor,
        u.agreed_price
    from unnest($20::int8[], $21::int4[], $22::text[], $23::text[], $24::int8[], $25::int8[],
        $26::bool[])
        as u(place, line_number, sku, name, quantity, unit_price_minor, agreed_price)
    join new using (place)
), event as (
    insert into order_events (tenant_id, order_id, version, type, state, description, data, cause,
        trace_id, created_at)
    select $1, order_id, 1, type, state, description, data, cause, trace_id, now()
    from new
)
select now()";
