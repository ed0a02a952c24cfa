//! Placing: key, order, lines, event and messages in one transaction.

use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;
use tradepost_postgres::idempotency::{self, Claim, Key};
use tradepost_types::{OrderId, TenantId};
use uuid::Uuid;

use super::PgOrders;
use super::read;
use super::row::FaultyRow;
use super::stored::{StoredAddress, StoredDetails, StoredEvent};
use crate::adapters::amqp::{self, Cause};
use crate::domain::saga::{Command, Fact};
use crate::domain::{Details, NewOrder, Order, Timer};
use crate::ports::{Placed, RequestKey, StoreError};

/// The name of the call in the idempotency keys.
const OPERATION: &str = "PlaceOrder";

impl PgOrders {
    pub(super) async fn place_once(
        &self,
        new: &NewOrder,
        key: &RequestKey,
    ) -> Result<Placed, StoreError> {
        let mut tx = self.database.tenant_tx(new.tenant).await?;
        let request_id = key.request_id.as_str();
        let claimed = Key {
            tenant: new.tenant,
            operation: OPERATION,
            request_id,
            fingerprint: &key.fingerprint,
        };
        let answer = new.id.as_uuid();
        let claim = idempotency::claim_with_answer(tx.conn(), &claimed, answer.as_bytes()).await?;
        match claim {
            Claim::Fresh => {}
            Claim::Mismatch => {
                tx.rollback().await;
                return Ok(Placed::Mismatch);
            }
            Claim::Replay(answer) => {
                let replayed = replay(tx.conn(), new.tenant, &answer).await;
                tx.rollback().await;
                return replayed;
            }
        }
        let cause = Cause::request(request_id);
        let order = self.insert(tx.conn(), new, &cause).await?;
        let commands = [Command::ReserveStock(order.current_reservation())];
        let hold_seconds = self.definitions.policy().hold_seconds;
        let messages = amqp::outgoing(
            &order,
            &cause,
            &commands,
            &[Fact::Placed],
            amqp::Supplement {
                lines: &new.lines,
                hold_seconds,
            },
        );
        self.outbox.append(tx.conn(), &messages).await?;
        tx.commit().await?;
        Ok(Placed::Order {
            order: Box::new(order),
            lines: new.lines.clone(),
            replayed: false,
        })
    }

    /// Takes the key only to see whether it is free, and gives it back.
    pub(super) async fn find_placed_once(
        &self,
        tenant: TenantId,
        key: &RequestKey,
    ) -> Result<Option<Placed>, StoreError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        let (request_id, fingerprint) = (key.request_id.as_str(), &key.fingerprint);
        let claim =
            idempotency::claim(tx.conn(), tenant, OPERATION, request_id, fingerprint).await?;
        let found = match claim {
            Claim::Fresh => None,
            Claim::Mismatch => Some(Placed::Mismatch),
            Claim::Replay(answer) => Some(replay(tx.conn(), tenant, &answer).await?),
        };
        tx.rollback().await;
        Ok(found)
    }

    /// One statement for all rows.
    async fn insert(
        &self,
        conn: &mut PgConnection,
        new: &NewOrder,
        cause: &Cause<'_>,
    ) -> Result<Order, StoreError> {
        let event = new.first_event();
        let details = Details {
            traceparent: tradepost_telemetry::current_traceparent(),
            ..new.details.clone()
        };
        let saga_version = self.definitions.newest();
        let step = self.definitions.policy().step;
        let data = StoredEvent {
            saga: event.saga.clone().into(),
            placed: Some(StoredDetails::new(&details, saga_version)),
        };
        let numbers: Vec<i32> = (1..=details.line_count).collect();
        let skus: Vec<&str> = new.lines.iter().map(|line| line.sku.as_str()).collect();
        let names: Vec<&str> = new.lines.iter().map(|line| line.name.as_str()).collect();
        let quantities: Vec<i64> = column(new, |line| i64::from(line.quantity.get()));
        let prices: Vec<i64> = column(new, |line| line.unit_price.minor_units());
        let agreed: Vec<bool> = column(new, |line| line.agreed_price);
        let trace_id = amqp::trace_id(details.traceparent.as_deref());
        let created_at: OffsetDateTime = sqlx::query_scalar(INSERT)
            .bind(new.tenant.as_uuid())
            .bind(new.id.as_uuid())
            .bind(&details.customer_ref)
            .bind(details.total.currency().code())
            .bind(details.total.minor_units())
            .bind(details.weight_grams)
            .bind(details.line_count)
            .bind(details.unit_count)
            .bind(&details.payment_method)
            .bind(Json(StoredAddress(details.address.clone())))
            .bind(&details.traceparent)
            .bind(saga_version)
            .bind(event.saga.phase.state().name())
            .bind(Json(data))
            .bind(step.whole_milliseconds() as f64)
            .bind(numbers)
            .bind(skus)
            .bind(names)
            .bind(quantities)
            .bind(prices)
            .bind(agreed)
            .bind(event.kind.name())
            .bind(&event.description)
            .bind(cause.text())
            .bind(trace_id)
            .fetch_one(conn)
            .await?;
        Ok(Order {
            tenant: new.tenant,
            id: new.id,
            details,
            saga_version,
            saga: event.saga,
            version: 1,
            created_at,
            updated_at: created_at,
            timer: Timer {
                at: Some(created_at + step),
                attempts: 0,
            },
        })
    }
}

fn column<T>(new: &NewOrder, value: impl Fn(&crate::domain::Line) -> T) -> Vec<T> {
    new.lines.iter().map(value).collect()
}

/// Answers a known key with the order as it is now.
async fn replay(
    conn: &mut PgConnection,
    tenant: TenantId,
    answer: &[u8],
) -> Result<Placed, StoreError> {
    let fault = |order: Uuid, what: &str| FaultyRow {
        order,
        what: what.to_owned(),
    };
    let id = Uuid::from_slice(answer)
        .map_err(|_other| fault(Uuid::nil(), "its key holds no order id"))?;
    let id = OrderId::from_uuid(id);
    let order = read::find(conn, tenant, id)
        .await?
        .ok_or_else(|| fault(id.as_uuid(), "its key is there and its row is not"))?;
    let mut lines = read::lines(conn, &[(tenant, id)]).await?;
    Ok(Placed::Order {
        order: Box::new(order),
        lines: lines.remove(&id).unwrap_or_default(),
        replayed: true,
    })
}

const INSERT: &str = "
with placed as (
    insert into orders (tenant_id, order_id, customer_ref, currency, total_minor, weight_grams,
        line_count, unit_count, payment_method, shipping_address, traceparent, saga_version,
        state, saga, version, deadline_at, created_at, updated_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14::jsonb -> 'saga', 1,
        now() + $15 * interval '1 millisecond', now(), now())
    returning created_at
), lines as (
    insert into order_lines (tenant_id, order_id, line_number, sku, name, quantity,
        unit_price_minor, agreed_price)
    select $1, $2, u.line_number, u.sku, u.name, u.quantity, u.unit_price_minor, u.agreed_price
    from unnest($16::int4[], $17::text[], $18::text[], $19::int8[], $20::int8[], $21::bool[])
        as u(line_number, sku, name, quantity, unit_price_minor, agreed_price)
), event as (
    insert into order_events (tenant_id, order_id, version, type, state, description, data, cause,
        trace_id, created_at)
    values ($1, $2, 1, $22, $13, $23, $14, $24, $25, now())
)
select created_at from placed";
