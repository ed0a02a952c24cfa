//! Disputes in their table: loaded with their payment under its lock, written back beside it.

use serde_json::json;
use sqlx::{AssertSqlSafe, FromRow, PgConnection};
use time::OffsetDateTime;
use tradepost_postgres::DbError;
use tradepost_types::{Currency, DisputeId, Money, PaymentId, TenantId};
use uuid::Uuid;

use super::cases::Cases;
use super::rows::broken;
use crate::domain::{Dispute, DisputeNews, DisputeState, Funds};
use crate::ports::{Key, StoredDispute};

const COLUMNS: &str =
    "tenant_id, dispute_id, payment_id, provider_reference, state, reason, currency,
    amount, withdrawn, reinstated, fee, fee_returned, told_at, created_at, updated_at";

#[derive(FromRow)]
struct Row {
    tenant_id: Uuid,
    dispute_id: Uuid,
    payment_id: Uuid,
    provider_reference: String,
    state: String,
    reason: String,
    currency: String,
    amount: i64,
    withdrawn: i64,
    reinstated: i64,
    fee: i64,
    fee_returned: i64,
    told_at: OffsetDateTime,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

impl Row {
    fn key(&self) -> Key {
        Key {
            tenant: TenantId::from_uuid(self.tenant_id),
            payment: PaymentId::from_uuid(self.payment_id),
        }
    }

    fn stored(self) -> Result<StoredDispute, DbError> {
        let currency: Currency = self
            .currency
            .parse()
            .map_err(|_unknown| broken("dispute currency"))?;
        let known = DisputeNews {
            reference: self.provider_reference,
            amount: Money::new(self.amount, currency),
            reason: self.reason,
            state: DisputeState::parse(&self.state).ok_or_else(|| broken("dispute state"))?,
            told_at: self.told_at.unix_timestamp(),
            funds: Funds {
                withdrawn: self.withdrawn,
                reinstated: self.reinstated,
                fee: self.fee,
                fee_returned: self.fee_returned,
            },
        };
        let id = DisputeId::from_uuid(self.dispute_id);
        Ok(StoredDispute {
            dispute: Dispute { id, known },
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

async fn rows(conn: &mut PgConnection, keys: &[Key]) -> Result<Vec<Row>, DbError> {
    let tenants: Vec<Uuid> = keys.iter().map(|key| key.tenant.as_uuid()).collect();
    let ids: Vec<Uuid> = keys.iter().map(|key| key.payment.as_uuid()).collect();
    let query = format!(
        "select {COLUMNS} from disputes
         join unnest($1::uuid[], $2::uuid[]) as wanted(tenant_id, payment_id)
             using (tenant_id, payment_id)
         order by tenant_id, payment_id, created_at, dispute_id"
    );
    let rows = sqlx::query_as(AssertSqlSafe(query))
        .bind(tenants)
        .bind(ids)
        .fetch_all(conn)
        .await?;
    Ok(rows)
}

/// Adds the disputes of `keys` to their cases.
pub(super) async fn load(
    conn: &mut PgConnection,
    keys: &[Key],
    cases: &mut Cases,
) -> Result<(), DbError> {
    if keys.is_empty() {
        return Ok(());
    }
    for row in rows(conn, keys).await? {
        if let Some(held) = cases.get_mut(&row.key()) {
            held.case.disputes.push(row.stored()?.dispute);
            held.case.count_disputes();
        }
    }
    Ok(())
}

/// The disputes of one payment as callers see them, oldest first.
pub(super) async fn of(conn: &mut PgConnection, key: Key) -> Result<Vec<StoredDispute>, DbError> {
    let rows = rows(conn, &[key]).await?;
    rows.into_iter().map(Row::stored).collect()
}

/// A dispute as it is written.
pub(super) fn row(key: Key, dispute: &Dispute) -> serde_json::Value {
    let known = &dispute.known;
    json!({
        "tenant_id": key.tenant.as_uuid(),
        "dispute_id": dispute.id.as_uuid(),
        "payment_id": key.payment.as_uuid(),
        "provider_reference": known.reference,
        "state": known.state.name(),
        "reason": known.reason,
        "currency": known.amount.currency().code(),
        "amount": known.amount.minor_units(),
        "withdrawn": known.funds.withdrawn,
        "reinstated": known.funds.reinstated,
        "fee": known.funds.fee,
        "fee_returned": known.funds.fee_returned,
        "told_at": known.told_at,
    })
}

/// Writes rows of [`row`], new or changed.
pub(super) async fn save(
    conn: &mut PgConnection,
    rows: Vec<serde_json::Value>,
) -> Result<(), DbError> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(include_str!("save_disputes.sql"))
        .bind(sqlx::types::Json(rows))
        .execute(conn)
        .await?;
    Ok(())
}
