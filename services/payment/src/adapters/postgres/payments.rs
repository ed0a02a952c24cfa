//! Commands, news and due calls: a batch is one transaction.

use std::collections::BTreeSet;

use async_trait::async_trait;
use sqlx::PgConnection;
use tradepost_messaging::{Message, inbox};
use tradepost_postgres::{DbError, RetryableTx, retrying};
use tradepost_types::{PaymentId, RefundId, TenantId};
use uuid::Uuid;

use super::cases::{payment_work, refund_work};
use super::fold::Fold;
use super::{PgPayments, cases};
use crate::ports::{
    Asked, Done, Key, Outcome, PaymentStore, StoreError, Taken, WebhookEvent, Work,
};

/// The name under which the inbox knows this consumer.
const CONSUMER: &str = "payment.commands";

impl RetryableTx for StoreError {
    fn is_serialization_failure(&self) -> bool {
        match self {
            Self::Database(error) => error.is_serialization_failure(),
            Self::RequestIdReused | Self::PaymentNotFound | Self::Refund(_) => false,
        }
    }
}

#[async_trait]
impl PaymentStore for PgPayments {
    async fn carry_out(&self, batch: &[Asked]) -> Result<Done, StoreError> {
        let done = retrying(|| self.try_carry_out(batch)).await?;
        self.committed(&done);
        Ok(done)
    }

    async fn record(&self, outcomes: &[Outcome]) -> Result<Done, StoreError> {
        let done = retrying(|| self.try_record(outcomes)).await?;
        self.committed(&done);
        Ok(done)
    }

    async fn lease_due(&self, limit: i64) -> Result<Vec<Work>, StoreError> {
        let mut tx = self.database.system_tx().await?;
        let lease_ms = i64::try_from(self.pace.lease.as_millis()).unwrap_or(i64::MAX);
        let payments = lease_payments(tx.conn(), lease_ms, limit).await?;
        let refunds = lease_refunds(tx.conn(), lease_ms, limit).await?;
        if payments.is_empty() && refunds.is_empty() {
            tx.rollback().await;
            return Ok(Vec::new());
        }
        let leased = payments
            .iter()
            .copied()
            .chain(refunds.iter().map(|(key, _)| *key));
        let keys: Vec<Key> = leased.collect::<BTreeSet<_>>().into_iter().collect();
        // Whoever writes locks the payment before its refunds; so the lease is let go first.
        tx.commit().await?;
        let mut tx = self.database.system_tx().await?;
        let found = cases::lock(tx.conn(), &keys).await?;
        tx.rollback().await;
        let mut work: Vec<Work> = payments
            .iter()
            .filter_map(|key| payment_work(*key, found.get(key)?))
            .collect();
        for (key, id) in refunds {
            let Some(held) = found.get(&key) else {
                continue;
            };
            let made = held.case.refunds.iter().find(|made| made.refund.id == id);
            work.extend(made.map(|made| refund_work(key, held, made)));
        }
        Ok(work)
    }

    async fn take_webhooks(
        &self,
        events: &[WebhookEvent],
    ) -> Result<(Vec<Taken>, Done), StoreError> {
        let (taken, done) = retrying(|| self.try_take_webhooks(events)).await?;
        self.committed(&done);
        Ok((taken, done))
    }

    async fn retry_webhooks(&self, limit: i64) -> Result<(usize, Done), StoreError> {
        let (applied, done) = retrying(|| self.try_retry_webhooks(limit)).await?;
        self.committed(&done);
        Ok((applied, done))
    }

    async fn unknown(&self) -> Result<i64, StoreError> {
        let mut tx = self.database.system_tx().await?;
        let count = sqlx::query_scalar(
            "select count(*) from payments
             where next_attempt_at is not null and state in ('unknown', 'capture_unknown')",
        )
        .fetch_one(tx.conn())
        .await
        .map_err(DbError::from)?;
        tx.commit().await?;
        Ok(count)
    }
}

impl PgPayments {
    /// After a commit: the messages leave, if there are any. A command that only makes a call due
    /// has none yet.
    fn committed(&self, done: &Done) {
        if !done.told.is_empty() {
            self.outbox.wake();
        }
    }

    async fn try_carry_out(&self, batch: &[Asked]) -> Result<Done, StoreError> {
        let mut tx = self.database.system_tx().await?;
        let causes: Vec<&Message> = batch.iter().map(|asked| &asked.cause).collect();
        let mut fresh = inbox::claim(tx.conn(), CONSUMER, &causes).await?;
        // A message that occurs twice in one batch is carried out once.
        let fresh: Vec<&Asked> = batch
            .iter()
            .filter(|asked| fresh.remove(&asked.cause.id))
            .collect();
        let keys = fresh.iter().map(|asked| Key {
            tenant: asked.cause.tenant,
            payment: asked.payment,
        });
        lock_new(tx.conn(), keys.clone()).await?;
        let mut fold = Fold::lock(tx.conn(), keys).await?;
        for asked in fresh {
            fold.command(asked);
        }
        let done = fold.save(tx.conn(), &self.outbox, self.pace).await?;
        tx.commit().await?;
        Ok(done)
    }

    async fn try_record(&self, outcomes: &[Outcome]) -> Result<Done, StoreError> {
        let mut tx = self.database.system_tx().await?;
        let keys = outcomes.iter().map(|outcome| outcome.key);
        let mut fold = Fold::lock(tx.conn(), keys).await?;
        for outcome in outcomes {
            fold.news(outcome);
        }
        let done = fold.save(tx.conn(), &self.outbox, self.pace).await?;
        tx.commit().await?;
        Ok(done)
    }
}

/// Commands about one payment wait for each other even while its row is not there yet.
async fn lock_new(conn: &mut PgConnection, keys: impl Iterator<Item = Key>) -> Result<(), DbError> {
    let mut locks: Vec<i64> = keys.map(|key| lock_of(key.payment.as_uuid())).collect();
    locks.sort_unstable();
    sqlx::query("select pg_advisory_xact_lock(id) from unnest($1::bigint[]) as u(id)")
        .bind(locks)
        .execute(conn)
        .await?;
    Ok(())
}

fn lock_of(id: Uuid) -> i64 {
    let (high, low) = id.as_u64_pair();
    (high ^ low).cast_signed()
}

async fn lease_payments(
    conn: &mut PgConnection,
    lease_ms: i64,
    limit: i64,
) -> Result<Vec<Key>, DbError> {
    let rows: Vec<(Uuid, Uuid)> = sqlx::query_as(include_str!("lease_payments.sql"))
        .bind(lease_ms)
        .bind(limit)
        .fetch_all(conn)
        .await?;
    let key = |(tenant, payment)| Key {
        tenant: TenantId::from_uuid(tenant),
        payment: PaymentId::from_uuid(payment),
    };
    Ok(rows.into_iter().map(key).collect())
}

async fn lease_refunds(
    conn: &mut PgConnection,
    lease_ms: i64,
    limit: i64,
) -> Result<Vec<(Key, RefundId)>, DbError> {
    let rows: Vec<(Uuid, Uuid, Uuid)> = sqlx::query_as(include_str!("lease_refunds.sql"))
        .bind(lease_ms)
        .bind(limit)
        .fetch_all(conn)
        .await?;
    let leased = |(tenant, payment, refund)| {
        let key = Key {
            tenant: TenantId::from_uuid(tenant),
            payment: PaymentId::from_uuid(payment),
        };
        (key, RefundId::from_uuid(refund))
    };
    Ok(rows.into_iter().map(leased).collect())
}
