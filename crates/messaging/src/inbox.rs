//! The inbox: which consumer has handled which message, kept in the handler's own transaction.

use std::collections::HashSet;

use sqlx::PgConnection;
use tradepost_postgres::DbError;
use tradepost_types::MessageId;
use uuid::Uuid;

use crate::envelope::Message;
use crate::metrics;

/// Marks the messages as handled by `consumer` and returns those that never were before. The
/// others are duplicates and must have no effect. A concurrent twin waits for this transaction.
///
/// Rows are inserted in the order of their ids, so that two overlapping batches cannot deadlock.
pub async fn claim(
    conn: &mut PgConnection,
    consumer: &str,
    messages: &[&Message],
) -> Result<HashSet<MessageId>, DbError> {
    let ids: Vec<Uuid> = messages.iter().map(|each| each.id.as_uuid()).collect();
    let tenants: Vec<Uuid> = messages.iter().map(|each| each.tenant.as_uuid()).collect();
    let fresh: Vec<(Uuid,)> = sqlx::query_as(
        "insert into messaging.inbox (consumer, message_id, tenant_id)
         select $1, u.message_id, u.tenant_id
         from unnest($2::uuid[], $3::uuid[]) as u(message_id, tenant_id)
         order by u.message_id
         on conflict on constraint inbox_handled_once do nothing
         returning message_id",
    )
    .bind(consumer)
    .bind(ids)
    .bind(tenants)
    .fetch_all(conn)
    .await?;
    let fresh: HashSet<MessageId> = fresh
        .into_iter()
        .map(|(id,)| MessageId::from_uuid(id))
        .collect();
    let duplicates = messages.len().saturating_sub(fresh.len());
    metrics::count_duplicates(duplicates);
    Ok(fresh)
}

/// Forgets up to `limit` messages handled longer ago than `hours`; returns how many.
pub(crate) async fn prune(conn: &mut PgConnection, hours: u32, limit: i64) -> Result<u64, DbError> {
    let done = sqlx::query(
        "delete from messaging.inbox where ctid = any(array(
            select ctid from messaging.inbox
            where handled_at < now() - make_interval(hours => $1) limit $2))",
    )
    .bind(i32::try_from(hours).unwrap_or(i32::MAX))
    .bind(limit)
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
