//! Webhooks: each is taken once; one whose payment is not there yet waits.

use std::collections::{BTreeSet, HashSet};

use sqlx::PgConnection;
use tradepost_postgres::DbError;
use uuid::Uuid;

use super::fold::{self, Fold};
use super::{PgPayments, cases};
use crate::adapters::stripe::hint;
use crate::ports::{Done, Key, Outcome, StoreError, Taken, WebhookEvent};

/// The first wait of a parked webhook, and the longest.
const PARKED_WAIT_SECONDS: (i32, i32) = (1, 60);

/// A webhook's row: whose it is, and the provider's id of it.
type EventKey = (Uuid, String);

impl PgPayments {
    /// Most webhooks tell what the answer to our call told before. To see that, the payment is
    /// looked at without a lock: a webhook without an effect may as well have come before whatever
    /// is being written. Only a payment that one has an effect on is locked, for all of its news.
    pub(super) async fn try_take_webhooks(
        &self,
        events: &[WebhookEvent],
    ) -> Result<(Vec<Taken>, Done), StoreError> {
        let mut tx = self.database.system_tx().await?;
        let mut fresh = insert(tx.conn(), events).await?;
        let keys: BTreeSet<Key> = events.iter().map(|event| event.outcome.key).collect();
        let keys: Vec<Key> = keys.into_iter().collect();
        let seen = cases::look(tx.conn(), &keys).await?;
        let (mut taken, mut waiting) = (Vec::with_capacity(events.len()), Vec::new());
        let (mut applied, mut changing) = (Vec::new(), BTreeSet::new());
        for event in events {
            let outcome = &event.outcome;
            // One that occurs twice in a batch is taken once.
            if !fresh.remove(&event_key(event)) {
                taken.push(Taken::Duplicate);
            } else if let Some(held) = seen.get(&outcome.key) {
                if !fold::is_known(held, &outcome.news) {
                    changing.insert(outcome.key);
                }
                applied.push(outcome);
                taken.push(Taken::Applied);
            } else {
                waiting.push(event_key(event));
                taken.push(Taken::Parked);
            }
        }
        park(tx.conn(), &waiting).await?;
        let mut done = Done::default();
        if !changing.is_empty() {
            let mut fold = Fold::lock(tx.conn(), changing.iter().copied()).await?;
            for outcome in applied {
                if changing.contains(&outcome.key) {
                    fold.news(outcome);
                }
            }
            done = fold.save(tx.conn(), &self.outbox, self.pace).await?;
        }
        tx.commit().await?;
        Ok((taken, done))
    }

    pub(super) async fn try_retry_webhooks(&self, limit: i64) -> Result<(usize, Done), StoreError> {
        let mut tx = self.database.system_tx().await?;
        let rows: Vec<(Uuid, String, sqlx::types::Json<serde_json::Value>)> =
            sqlx::query_as(include_str!("due_webhooks.sql"))
                .bind(limit)
                .fetch_all(tx.conn())
                .await
                .map_err(DbError::from)?;
        if rows.is_empty() {
            tx.rollback().await;
            return Ok((0, Done::default()));
        }
        let mut due: Vec<(EventKey, Outcome)> = Vec::with_capacity(rows.len());
        let mut waiting = Vec::new();
        for (tenant, id, kept) in rows {
            match hint::restore(&kept.0) {
                Some(outcome) => due.push(((tenant, id), outcome)),
                // Kept by a version that read more than this one: it must not hold up the others.
                None => waiting.push((tenant, id)),
            }
        }
        let keys = due.iter().map(|(_, outcome)| outcome.key);
        let mut fold = Fold::lock(tx.conn(), keys).await?;
        let mut applied = Vec::new();
        for (event, outcome) in due {
            if fold.news(&outcome) {
                applied.push(event);
            } else {
                waiting.push(event);
            }
        }
        park(tx.conn(), &waiting).await?;
        unpark(tx.conn(), &applied).await?;
        let done = fold.save(tx.conn(), &self.outbox, self.pace).await?;
        tx.commit().await?;
        Ok((applied.len(), done))
    }
}

fn event_key(event: &WebhookEvent) -> EventKey {
    (event.outcome.key.tenant.as_uuid(), event.id.clone())
}

/// Notes the webhooks that never came before and returns them. They are inserted in one order, so
/// that two overlapping batches cannot deadlock; a concurrent twin waits for this transaction.
async fn insert(
    conn: &mut PgConnection,
    events: &[WebhookEvent],
) -> Result<HashSet<EventKey>, DbError> {
    let (tenants, ids): (Vec<Uuid>, Vec<String>) = events.iter().map(event_key).unzip();
    let payments: Vec<Uuid> = events
        .iter()
        .map(|event| event.outcome.key.payment.as_uuid())
        .collect();
    let hints: Vec<_> = events.iter().map(|event| &event.hint).collect();
    let fresh: Vec<EventKey> = sqlx::query_as(
        "insert into provider_events (tenant_id, event_id, payment_id, hint, state)
         select u.tenant_id, u.event_id, u.payment_id, u.hint, 'applied'
         from unnest($1::uuid[], $2::text[], $3::uuid[], $4::jsonb[])
             as u(tenant_id, event_id, payment_id, hint)
         order by u.tenant_id, u.event_id
         on conflict on constraint provider_events_pk do nothing
         returning tenant_id, event_id",
    )
    .bind(tenants)
    .bind(ids)
    .bind(payments)
    .bind(hints)
    .fetch_all(conn)
    .await?;
    Ok(fresh.into_iter().collect())
}

/// Lets webhooks wait for their payments.
async fn park(conn: &mut PgConnection, events: &[EventKey]) -> Result<(), DbError> {
    if events.is_empty() {
        return Ok(());
    }
    let (first, longest) = PARKED_WAIT_SECONDS;
    let (tenants, ids): (Vec<Uuid>, Vec<String>) = events.iter().cloned().unzip();
    sqlx::query(
        "update provider_events e
         set state = 'parked', attempts = attempts + 1,
             next_attempt_at = clock_timestamp()
                 + least($4, $3 * power(2, least(attempts, 16))) * interval '1 second'
         from unnest($1::uuid[], $2::text[]) as u(tenant_id, event_id)
         where e.tenant_id = u.tenant_id and e.event_id = u.event_id",
    )
    .bind(tenants)
    .bind(ids)
    .bind(first)
    .bind(longest)
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes that waiting webhooks were applied.
async fn unpark(conn: &mut PgConnection, events: &[EventKey]) -> Result<(), DbError> {
    if events.is_empty() {
        return Ok(());
    }
    let (tenants, ids): (Vec<Uuid>, Vec<String>) = events.iter().cloned().unzip();
    sqlx::query(
        "update provider_events e set state = 'applied', next_attempt_at = null
         from unnest($1::uuid[], $2::text[]) as u(tenant_id, event_id)
         where e.tenant_id = u.tenant_id and e.event_id = u.event_id",
    )
    .bind(tenants)
    .bind(ids)
    .execute(conn)
    .await?;
    Ok(())
}
