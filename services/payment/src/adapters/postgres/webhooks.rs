//! Webhooks: each is taken once; one whose payment is not there yet waits.

use sqlx::PgConnection;
use tradepost_postgres::DbError;
use tradepost_types::TenantId;
use uuid::Uuid;

use super::PgPayments;
use super::fold::Fold;
use crate::adapters::stripe::hint;
use crate::ports::{Done, Outcome, StoreError, Taken, WebhookEvent};

/// The first wait of a parked webhook, and the longest.
const PARKED_WAIT_SECONDS: (i32, i32) = (1, 60);

impl PgPayments {
    pub(super) async fn try_take_webhook(
        &self,
        event: &WebhookEvent,
    ) -> Result<(Taken, Done), StoreError> {
        let mut tx = self.database.system_tx().await?;
        let inserted = sqlx::query(
            "insert into provider_events (tenant_id, event_id, payment_id, hint, state)
             values ($1, $2, $3, $4, 'applied')
             on conflict on constraint provider_events_pk do nothing",
        )
        .bind(event.outcome.key.tenant.as_uuid())
        .bind(&event.id)
        .bind(event.outcome.key.payment.as_uuid())
        .bind(sqlx::types::Json(&event.hint))
        .execute(tx.conn())
        .await
        .map_err(DbError::from)?;
        if inserted.rows_affected() == 0 {
            tx.commit().await?;
            return Ok((Taken::Duplicate, Done::default()));
        }
        let mut fold = Fold::lock(tx.conn(), std::iter::once(event.outcome.key)).await?;
        let taken = if fold.news(&event.outcome) {
            Taken::Applied
        } else {
            let tenant = event.outcome.key.tenant;
            park(tx.conn(), tenant, &event.id).await?;
            Taken::Parked
        };
        let done = fold.save(tx.conn(), &self.outbox, self.pace).await?;
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
        let mut due: Vec<(TenantId, String, Outcome)> = Vec::with_capacity(rows.len());
        for (tenant, id, kept) in rows {
            let tenant = TenantId::from_uuid(tenant);
            if let Some(outcome) = hint::restore(&kept.0) {
                due.push((tenant, id, outcome));
            } else {
                // Kept by a version that read more than this one: it must not hold up the others.
                park(tx.conn(), tenant, &id).await?;
            }
        }
        let keys = due.iter().map(|(_, _, outcome)| outcome.key);
        let mut fold = Fold::lock(tx.conn(), keys).await?;
        let mut applied = 0;
        for (tenant, id, outcome) in &due {
            if fold.news(outcome) {
                unpark(tx.conn(), *tenant, id).await?;
                applied += 1;
            } else {
                park(tx.conn(), *tenant, id).await?;
            }
        }
        let done = fold.save(tx.conn(), &self.outbox, self.pace).await?;
        tx.commit().await?;
        Ok((applied, done))
    }
}

async fn park(conn: &mut PgConnection, tenant: TenantId, id: &str) -> Result<(), DbError> {
    let (first, longest) = PARKED_WAIT_SECONDS;
    sqlx::query(
        "update provider_events
         set state = 'parked', attempts = attempts + 1,
             next_attempt_at = clock_timestamp()
                 + least($4, $3 * power(2, least(attempts, 16))) * interval '1 second'
         where tenant_id = $1 and event_id = $2",
    )
    .bind(tenant.as_uuid())
    .bind(id)
    .bind(first)
    .bind(longest)
    .execute(conn)
    .await?;
    Ok(())
}

async fn unpark(conn: &mut PgConnection, tenant: TenantId, id: &str) -> Result<(), DbError> {
    sqlx::query(
        "update provider_events set state = 'applied', next_attempt_at = null
         where tenant_id = $1 and event_id = $2",
    )
    .bind(tenant.as_uuid())
    .bind(id)
    .execute(conn)
    .await?;
    Ok(())
}
