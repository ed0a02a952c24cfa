//! Webhooks: each is taken once; one whose payment is not there yet waits.

use std::collections::{BTreeSet, HashMap, HashSet};

use sqlx::PgConnection;
use tradepost_postgres::DbError;
use tradepost_types::{PaymentId, TenantId};
use uuid::Uuid;

use super::fold::{self, Fold};
use super::{PgPayments, cases};
use crate::adapters::stripe::hint;
use crate::ports::{Done, Key, News, Outcome, StoreError, Taken, WebhookEvent, Whose};

/// The first wait of a parked webhook, and the longest.
const PARKED_WAIT_SECONDS: (i32, i32) = (1, 60);
/// The longest wait of one that names no payment of ours: it may be another system's for ever.
const STRANGER_WAIT_SECONDS_MAX: i32 = 3_600;

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
        let named = find(tx.conn(), events.iter().map(|event| &event.about)).await?;
        let keys = events.iter().filter_map(|event| named.key(&event.about));
        let keys: Vec<Key> = keys.collect::<BTreeSet<_>>().into_iter().collect();
        let seen = cases::look(tx.conn(), &keys).await?;
        let (mut taken, mut waiting) = (Vec::with_capacity(events.len()), Vec::new());
        let (mut applied, mut changing) = (Vec::new(), BTreeSet::new());
        for event in events {
            let key = named.key(&event.about);
            // One that occurs twice in a batch is taken once.
            if !fresh.remove(&event_key(event)) {
                taken.push(Taken::Duplicate);
            } else if let Some((key, held)) = key.and_then(|key| Some((key, seen.get(&key)?))) {
                let news = event.news.clone();
                if !fold::is_known(held, &news) {
                    changing.insert(key);
                }
                applied.push(Outcome { key, news });
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
                    fold.news(&outcome);
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
        let mut due: Vec<(EventKey, Whose, News)> = Vec::with_capacity(rows.len());
        let mut waiting = Vec::new();
        for (tenant, id, kept) in rows {
            match hint::restore(&kept.0) {
                Some((about, news)) => due.push(((tenant, id), about, news)),
                // Kept by a version that read more than this one: it must not hold up the others.
                None => waiting.push((tenant, id)),
            }
        }
        let named = find(tx.conn(), due.iter().map(|(_, about, _)| about)).await?;
        let keys = due.iter().filter_map(|(_, about, _)| named.key(about));
        let mut fold = Fold::lock(tx.conn(), keys).await?;
        let mut applied = Vec::new();
        for (event, about, news) in due {
            let outcome = named.key(&about).map(|key| Outcome { key, news });
            if outcome.is_some_and(|outcome| fold.news(&outcome)) {
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

/// One that names a payment only as the provider does is kept under no tenant, before and after its
/// payment is found: so its repetition is recognised whenever it comes.
fn event_key(event: &WebhookEvent) -> EventKey {
    let tenant = match &event.about {
        Whose::Ours(key) => key.tenant.as_uuid(),
        Whose::Theirs(_) => Uuid::nil(),
    };
    (tenant, event.id.clone())
}

/// The payments of references that were looked for.
struct Named(HashMap<String, Key>);

impl Named {
    fn key(&self, about: &Whose) -> Option<Key> {
        match about {
            Whose::Ours(key) => Some(*key),
            Whose::Theirs(reference) => self.0.get(reference).copied(),
        }
    }
}

/// Finds the payments that are named by the provider's references of them.
async fn find(
    conn: &mut PgConnection,
    about: impl Iterator<Item = &Whose>,
) -> Result<Named, DbError> {
    let references: Vec<&String> = about
        .filter_map(|about| match about {
            Whose::Ours(_) => None,
            Whose::Theirs(reference) => Some(reference),
        })
        .collect();
    if references.is_empty() {
        return Ok(Named(HashMap::new()));
    }
    let rows: Vec<(String, Uuid, Uuid)> = sqlx::query_as(include_str!("find_references.sql"))
        .bind(references)
        .fetch_all(conn)
        .await?;
    let found = rows.into_iter().map(|(reference, tenant, payment)| {
        let key = Key {
            tenant: TenantId::from_uuid(tenant),
            payment: PaymentId::from_uuid(payment),
        };
        (reference, key)
    });
    Ok(Named(found.collect()))
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
        .map(|event| match &event.about {
            Whose::Ours(key) => key.payment.as_uuid(),
            Whose::Theirs(_) => Uuid::nil(),
        })
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
                 + least(case when e.tenant_id = $5 then $6 else $4 end,
                         $3 * power(2, least(attempts, 16))) * interval '1 second'
         from unnest($1::uuid[], $2::text[]) as u(tenant_id, event_id)
         where e.tenant_id = u.tenant_id and e.event_id = u.event_id",
    )
    .bind(tenants)
    .bind(ids)
    .bind(first)
    .bind(longest)
    .bind(Uuid::nil())
    .bind(STRANGER_WAIT_SECONDS_MAX)
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
