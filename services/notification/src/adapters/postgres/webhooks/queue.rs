//! What is due: taken on lease, and what came of it.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::PgConnection;
use tradepost_postgres::{DbError, retrying};
use uuid::Uuid;

use super::super::channels::follow_history;
use super::rows::{LeasedRow, reason, state_name};
use super::{PgWebhooks, follow};
use crate::domain::webhook::Verdict;
use crate::ports::channels::{ChannelQueue, Followed, Noting};
use crate::ports::webhooks::{Answer, DeliveryState, DisabledReason, Leased, Noted, Webhooks};

/// An endpoint where nothing could be delivered for so long is disabled.
const FAILING_DAYS_MAX: i32 = 5;

#[async_trait]
impl ChannelQueue<Webhooks> for PgWebhooks {
    async fn follow(&self, limit: u32) -> Result<Followed, DbError> {
        follow_history(&self.database, &follow::CURSOR, limit, self).await
    }

    async fn lease(
        &self,
        limit: usize,
        endpoint_max: u32,
        lease: Duration,
    ) -> Result<Vec<Leased>, DbError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let endpoint_max = i64::from(endpoint_max);
        let mut tx = self.database.system_tx().await?;
        let endpoints: Vec<(Uuid, Uuid)> = sqlx::query_as(include_str!("lock_endpoints.sql"))
            .bind(endpoint_max)
            .bind(limit)
            .fetch_all(tx.conn())
            .await?;
        if endpoints.is_empty() {
            tx.rollback().await;
            return Ok(Vec::new());
        }
        let (tenants, endpoints): (Vec<Uuid>, Vec<Uuid>) = endpoints.into_iter().unzip();
        let rows: Vec<LeasedRow> = sqlx::query_as(include_str!("lease_due.sql"))
            .bind(tenants)
            .bind(endpoints)
            .bind(endpoint_max)
            .bind(limit)
            .bind(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX))
            .fetch_all(tx.conn())
            .await?;
        tx.commit().await?;
        rows.into_iter().map(Leased::try_from).collect()
    }

    async fn note(
        &self,
        leased: &Leased,
        noted: Noted,
    ) -> Result<Noting<Option<DisabledReason>>, DbError> {
        retrying(|| self.try_note(leased, noted)).await
    }

    async fn prune(&self, kept_days: u32, limit: i64) -> Result<u64, DbError> {
        let mut tx = self.database.system_tx().await?;
        let deleted = sqlx::query(include_str!("prune_deliveries.sql"))
            .bind(i64::from(kept_days))
            .bind(limit)
            .execute(tx.conn())
            .await?;
        sqlx::query(include_str!("prune_messages.sql"))
            .bind(i64::from(kept_days))
            .bind(limit)
            .execute(tx.conn())
            .await?;
        tx.commit().await?;
        Ok(deleted.rows_affected())
    }
}

impl PgWebhooks {
    /// The endpoint is locked before its delivery, as whoever takes leases does.
    async fn try_note(
        &self,
        leased: &Leased,
        noted: Noted,
    ) -> Result<Noting<Option<DisabledReason>>, DbError> {
        let mut tx = self.database.system_tx().await?;
        let url: Option<String> = sqlx::query_scalar(
            "select url from webhook_endpoints
             where tenant_id = $1 and endpoint_id = $2
             for no key update",
        )
        .bind(leased.tenant.as_uuid())
        .bind(leased.endpoint.as_uuid())
        .fetch_optional(tx.conn())
        .await?;
        let has_moved = url.as_ref().is_some_and(|url| *url != leased.url);
        let noted = if has_moved { elsewhere(noted) } else { noted };
        if url.is_none() || !note_delivery(tx.conn(), leased, noted).await? {
            tx.rollback().await;
            return Ok(Noting::TooLate);
        }
        let disabled = if has_moved {
            None
        } else {
            note_endpoint(tx.conn(), leased, noted.verdict).await?
        };
        tx.commit().await?;
        Ok(Noting::Done(disabled))
    }
}

/// What comes of an answer of a URL that is no longer the endpoint's: it says nothing of the endpoint,
/// and what was not taken there goes to the URL of now.
const fn elsewhere(noted: Noted) -> Noted {
    let verdict = match noted.verdict {
        Verdict::Delivered => Verdict::Delivered,
        Verdict::Again(_) | Verdict::Failed | Verdict::Gone => Verdict::Again(Duration::ZERO),
    };
    Noted { verdict, ..noted }
}

/// Whether the lease was the last one.
async fn note_delivery(
    conn: &mut PgConnection,
    leased: &Leased,
    noted: Noted,
) -> Result<bool, DbError> {
    let (state, pause) = match noted.verdict {
        Verdict::Delivered => (DeliveryState::Delivered, None),
        Verdict::Again(pause) => (DeliveryState::Pending, Some(pause)),
        Verdict::Failed | Verdict::Gone => (DeliveryState::Failed, None),
    };
    let (status, error) = match (noted.answer, state) {
        (Answer::Status { code, .. }, DeliveryState::Delivered) => (Some(i32::from(code)), None),
        (Answer::Status { code, .. }, _) => (Some(i32::from(code)), Some("status")),
        (Answer::None(fault), _) => (None, Some(fault.name())),
    };
    let pause_ms = pause.map(|pause| i64::try_from(pause.as_millis()).unwrap_or(i64::MAX));
    let updated = sqlx::query(
        "update webhook_deliveries
         set state = $4,
             attempts = attempts + 1,
             next_attempt_at = case
                 when $5::bigint is null then next_attempt_at
                 else clock_timestamp() + $5 * interval '1 millisecond' end,
             leased_until = null,
             last_attempt_at = clock_timestamp(),
             last_status = $6,
             last_error = $7
         where tenant_id = $1 and delivery_id = $2 and lease = $3 and leased_until is not null",
    )
    .bind(leased.tenant.as_uuid())
    .bind(leased.id.as_uuid())
    .bind(leased.lease)
    .bind(state_name(state))
    .bind(pause_ms)
    .bind(status)
    .bind(error)
    .execute(conn)
    .await?;
    Ok(updated.rows_affected() == 1)
}

/// Why the endpoint was disabled by it, if it was.
async fn note_endpoint(
    conn: &mut PgConnection,
    leased: &Leased,
    verdict: Verdict,
) -> Result<Option<DisabledReason>, DbError> {
    let name: Option<Option<String>> = sqlx::query_scalar(include_str!("note_endpoint.sql"))
        .bind(leased.tenant.as_uuid())
        .bind(leased.endpoint.as_uuid())
        .bind(verdict == Verdict::Delivered)
        .bind(verdict == Verdict::Gone)
        .bind(FAILING_DAYS_MAX)
        .fetch_optional(conn)
        .await?;
    name.flatten().as_deref().map(reason).transpose()
}
