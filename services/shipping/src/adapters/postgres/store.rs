//! Loads shipments under locks, lets them be changed, and writes them back with their news.

use std::time::Duration;

use async_trait::async_trait;
use tradepost_messaging::{Message, inbox};
use tradepost_postgres::idempotency::{self, Claim};
use tradepost_postgres::{DbError, RetryableTx, retrying};
use tradepost_types::{ShipmentId, TenantId};

use super::PgShipments;
use super::desk::{Desk, Key, until};
use super::row;
use crate::domain::Shipment;
use crate::ports::{Decide, Judge, RequestKey, ShipmentStore, StoreError, Stored, Target};

/// The name under which the inbox knows this consumer.
const CONSUMER: &str = "shipping.commands";
const REPORT: &str = "RecordTrackingEvent";
const ONE_PER_ORDER: &str = "shipments_one_per_order";

impl From<DbError> for StoreError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::SerializationFailure(_) => Self::Contended(error.into()),
            DbError::Unavailable(_) | DbError::CommitUnknown(_) => Self::Unavailable(error.into()),
            DbError::Constraint { name } if name == ONE_PER_ORDER => Self::OrderHasShipment,
            DbError::Constraint { .. } | DbError::Query(_) | DbError::Schema(_) => {
                Self::Broken(error.into())
            }
        }
    }
}

impl RetryableTx for StoreError {
    fn is_serialization_failure(&self) -> bool {
        matches!(self, Self::Contended(_))
    }
}

#[async_trait]
impl ShipmentStore for PgShipments {
    async fn change(&self, targets: &[Target], decide: Decide<'_>) -> Result<(), StoreError> {
        retrying(|| self.try_change(targets, decide)).await?;
        self.outbox.wake();
        Ok(())
    }

    async fn advance_due(
        &self,
        limit: i64,
        decide: Decide<'_>,
    ) -> Result<Vec<Shipment>, StoreError> {
        self.alarm.clear();
        let advanced = retrying(|| self.try_advance(limit, decide)).await?;
        if !advanced.is_empty() {
            self.outbox.wake();
        }
        Ok(advanced)
    }

    async fn due(&self) {
        self.alarm.rings().await;
    }

    async fn report(
        &self,
        tenant: TenantId,
        id: ShipmentId,
        key: &RequestKey,
        judge: Judge<'_>,
    ) -> Result<Stored, StoreError> {
        let stored = retrying(|| self.try_report(tenant, id, key, judge)).await?;
        self.outbox.wake();
        Ok(stored)
    }

    async fn find(&self, tenant: TenantId, id: ShipmentId) -> Result<Option<Stored>, StoreError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        let found = row::find(tx.conn(), tenant, id).await?;
        tx.commit().await?;
        found.map(Stored::try_from).transpose()
    }
}

impl PgShipments {
    async fn try_change(&self, targets: &[Target], decide: Decide<'_>) -> Result<(), StoreError> {
        let mut tx = self.database.system_tx().await?;
        let causes: Vec<&Message> = targets.iter().filter_map(|t| t.cause.as_ref()).collect();
        let mut fresh = inbox::claim(tx.conn(), CONSUMER, &causes).await?;
        let keys: Vec<Key> = targets.iter().map(|t| (t.tenant, t.id)).collect();
        let rows = row::lock(tx.conn(), &keys).await?;
        let mut desk = Desk::open(tx.conn(), rows).await?;
        for (index, target) in targets.iter().enumerate() {
            let cause = target.cause.as_ref();
            // A message that occurs twice in one batch is handled once.
            if cause.is_some_and(|message| !fresh.remove(&message.id)) {
                continue;
            }
            let key = (target.tenant, target.id);
            if let Some(decision) = decide(index, desk.shipment(key), desk.now()) {
                desk.apply(key, decision, cause);
            }
        }
        let due_first = desk.due_first();
        desk.write(tx.conn(), &self.outbox).await?;
        tx.commit().await?;
        self.alarm.set(due_first);
        Ok(())
    }

    async fn try_advance(
        &self,
        limit: i64,
        decide: Decide<'_>,
    ) -> Result<Vec<Shipment>, StoreError> {
        let mut tx = self.database.system_tx().await?;
        let rows = row::lock_due(tx.conn(), limit).await?;
        let full = i64::try_from(rows.len()).is_ok_and(|count| count >= limit);
        let (now, next_due) = row::clock_and_next_due(tx.conn()).await?;
        self.alarm.set(next_due.map(|due_at| until(due_at, now)));
        if rows.is_empty() {
            tx.rollback().await;
            return Ok(Vec::new());
        }
        let mut desk = Desk::open_at(now, rows)?;
        for (index, key) in desk.keys().into_iter().enumerate() {
            if let Some(decision) = decide(index, desk.shipment(key), desk.now()) {
                desk.apply(key, decision, None);
            }
        }
        // When there are probably more, that is now.
        let due_first = if full {
            Some(Duration::ZERO)
        } else {
            desk.due_first()
        };
        let advanced = desk.write(tx.conn(), &self.outbox).await?;
        tx.commit().await?;
        self.alarm.set(due_first);
        Ok(advanced)
    }

    /// The tenant's own role finds the shipment: a foreign one does not exist.
    async fn try_report(
        &self,
        tenant: TenantId,
        id: ShipmentId,
        key: &RequestKey,
        judge: Judge<'_>,
    ) -> Result<Stored, StoreError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        let claim =
            idempotency::claim(tx.conn(), tenant, REPORT, &key.id, &key.fingerprint).await?;
        let rows = row::lock(tx.conn(), &[(tenant, id)]).await?;
        let mut desk = Desk::open(tx.conn(), rows).await?;
        let shipment = desk.shipment((tenant, id)).ok_or(StoreError::NotFound)?;
        let mut due_first = None;
        match claim {
            Claim::Mismatch => return Err(StoreError::RequestIdReused),
            Claim::Replay(_) => {}
            Claim::Fresh => {
                let decision = judge(shipment).map_err(|from| StoreError::Illegal { from })?;
                desk.apply((tenant, id), decision, None);
                due_first = desk.due_first();
                desk.write(tx.conn(), &self.outbox).await?;
                idempotency::complete(tx.conn(), tenant, REPORT, &key.id, b"recorded").await?;
            }
        }
        let now = row::find(tx.conn(), tenant, id).await?;
        tx.commit().await?;
        self.alarm.set(due_first);
        Stored::try_from(now.ok_or(StoreError::NotFound)?)
    }
}
