//! The outbox: messages that are committed together with the change they tell about.

use std::sync::Arc;

use bytes::Bytes;
use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;
use tokio::sync::Notify;
use tradepost_postgres::DbError;
use tradepost_types::{MessageId, TenantId};
use uuid::Uuid;

use crate::envelope::{Message, Outgoing};

/// The writer's handle: append inside the business transaction, wake the relay after commit.
#[derive(Debug, Clone)]
pub struct Outbox {
    wake: Arc<Notify>,
}

impl Outbox {
    pub(crate) fn new(wake: Arc<Notify>) -> Self {
        Self { wake }
    }

    /// Adds the messages in one statement. They leave only if the transaction commits; under the
    /// tenant's role only messages of that tenant are accepted. A message without a trace of its
    /// own joins the current span's.
    pub async fn append(
        &self,
        conn: &mut PgConnection,
        messages: &[Outgoing],
    ) -> Result<(), DbError> {
        if messages.is_empty() {
            return Ok(());
        }
        let bodies: Vec<&[u8]> = messages.iter().map(|each| &*each.message.body).collect();
        let exchanges: Vec<&str> = messages.iter().map(|each| each.route.exchange()).collect();
        let mandatory: Vec<bool> = messages.iter().map(|each| each.route.mandatory()).collect();
        let keys: Vec<String> = messages.iter().map(|each| each.route.key()).collect();
        let causes: Vec<Option<Uuid>> = column(messages, |message| {
            message.causation.map(MessageId::as_uuid)
        });
        let current = tradepost_telemetry::current_traceparent();
        let traces: Vec<Option<&str>> = column(messages, |message| {
            message.traceparent.as_deref().or(current.as_deref())
        });
        sqlx::query(APPEND)
            .bind(column(messages, |message| message.id.as_uuid()))
            .bind(column(messages, |message| message.tenant.as_uuid()))
            .bind(exchanges)
            .bind(keys)
            .bind(mandatory)
            .bind(column(messages, |message| message.kind.as_str()))
            .bind(column(messages, |message| message.correlation))
            .bind(causes)
            .bind(column(messages, |message| message.subject.as_str()))
            .bind(column(messages, |message| message.sequence))
            .bind(column(messages, |message| message.time))
            .bind(traces)
            .bind(bodies)
            .execute(conn)
            .await?;
        Ok(())
    }

    /// Tells the relay that something was committed. Cheap, and many calls count as one; without
    /// it the message leaves with the next poll.
    pub fn wake(&self) {
        self.wake.notify_one();
    }
}

fn column<'a, T>(messages: &'a [Outgoing], value: impl Fn(&'a Message) -> T) -> Vec<T> {
    messages.iter().map(|each| value(&each.message)).collect()
}

const APPEND: &str = "
insert into messaging.outbox (message_id, tenant_id, exchange, routing_key, mandatory, kind,
    correlation_id, causation_id, subject, sequence, occurred_at, traceparent, body)
select u.message_id, u.tenant_id, u.exchange, u.routing_key, u.mandatory, u.kind,
    u.correlation_id, u.causation_id, u.subject, u.sequence, u.occurred_at, u.traceparent, u.body
from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bool[], $6::text[], $7::uuid[],
    $8::uuid[], $9::text[], $10::int8[], $11::timestamptz[], $12::text[], $13::bytea[])
    as u(message_id, tenant_id, exchange, routing_key, mandatory, kind,
        correlation_id, causation_id, subject, sequence, occurred_at, traceparent, body)";

/// A claimed row.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) seq: i64,
    pub(crate) exchange: String,
    pub(crate) routing_key: String,
    pub(crate) mandatory: bool,
    pub(crate) message: Message,
}

/// Locks the oldest rows nobody else holds.
pub(crate) async fn claim(conn: &mut PgConnection, limit: u32) -> Result<Vec<Row>, DbError> {
    let rows: Vec<Stored> = sqlx::query_as(
        "select seq, message_id, tenant_id, exchange, routing_key, mandatory, kind,
            correlation_id, causation_id, subject, sequence, occurred_at, traceparent, body
         from messaging.outbox
         where not_before is null or not_before <= now()
         order by seq
         limit $1
         for update skip locked",
    )
    .bind(i64::from(limit))
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Row::from).collect())
}

/// Forgets rows the broker has taken over. Losing this in a crash of the database only repeats a
/// message, which the inbox makes harmless; so the commit need not wait for the disk.
pub(crate) async fn delete(conn: &mut PgConnection, rows: &[i64]) -> Result<(), DbError> {
    sqlx::query(
        "with relaxed as materialized (select set_config('synchronous_commit', 'off', true))
         delete from messaging.outbox using relaxed where seq = any($1)",
    )
    .bind(rows)
    .execute(conn)
    .await?;
    Ok(())
}

/// Lets rows wait that the broker would not take: 1 s, doubling to half a minute.
pub(crate) async fn postpone(conn: &mut PgConnection, rows: &[i64]) -> Result<(), DbError> {
    sqlx::query(
        "update messaging.outbox
         set refusals = refusals + 1,
             not_before = now() + least(30, power(2, least(refusals, 5))) * interval '1 second'
         where seq = any($1)",
    )
    .bind(rows)
    .execute(conn)
    .await?;
    Ok(())
}

/// How many rows wait (counted up to `cap`), and the age of the oldest in seconds.
pub(crate) async fn backlog(conn: &mut PgConnection, cap: i64) -> Result<(i64, f64), DbError> {
    let found = sqlx::query_as(
        "select
            (select count(*) from (select 1 from messaging.outbox limit $1) as counted),
            coalesce((select extract(epoch from clock_timestamp() - created_at)::float8
                from messaging.outbox order by seq limit 1), 0)",
    )
    .bind(cap)
    .fetch_one(conn)
    .await?;
    Ok(found)
}

#[derive(FromRow)]
struct Stored {
    seq: i64,
    message_id: Uuid,
    tenant_id: Uuid,
    exchange: String,
    routing_key: String,
    mandatory: bool,
    kind: String,
    correlation_id: Uuid,
    causation_id: Option<Uuid>,
    subject: String,
    sequence: i64,
    occurred_at: OffsetDateTime,
    traceparent: Option<String>,
    body: Vec<u8>,
}

impl From<Stored> for Row {
    fn from(stored: Stored) -> Self {
        Self {
            seq: stored.seq,
            exchange: stored.exchange,
            routing_key: stored.routing_key,
            mandatory: stored.mandatory,
            message: Message {
                id: MessageId::from_uuid(stored.message_id),
                kind: stored.kind,
                tenant: TenantId::from_uuid(stored.tenant_id),
                correlation: stored.correlation_id,
                causation: stored.causation_id.map(MessageId::from_uuid),
                subject: stored.subject,
                sequence: stored.sequence,
                time: stored.occurred_at,
                traceparent: stored.traceparent,
                body: Bytes::from(stored.body),
            },
        }
    }
}
