//! The ledger: every batch is one statement.

use sqlx::PgConnection;
use tradepost_postgres::DbError;
use tradepost_types::{MoneyError, RefundId};

use super::rows::broken;
use crate::domain::Entry;
use crate::ports::Key;

/// An entry to be made.
pub(super) struct NewEntry {
    pub(super) key: Key,
    pub(super) refund: Option<RefundId>,
    pub(super) entry: Entry,
}

/// Writes entries with their postings.
pub(super) async fn insert(conn: &mut PgConnection, entries: &[NewEntry]) -> Result<(), DbError> {
    if entries.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = entries
        .iter()
        .map(row)
        .collect::<Result<_, MoneyError>>()
        .map_err(|_overflow| broken("amount"))?;
    sqlx::query(
        "with fresh as materialized (
             select nextval('journal_entry_ids') as entry_id, r.*
             from jsonb_to_recordset($1) as r(
                 tenant_id uuid, payment_id uuid, refund_id uuid, kind text, currency text,
                 debit text, credit text, amount bigint)),
         made as (
             insert into journal_entries (tenant_id, entry_id, kind, payment_id, refund_id)
             select tenant_id, entry_id, kind, payment_id, refund_id from fresh)
         insert into postings (tenant_id, entry_id, account, currency, amount)
         select tenant_id, entry_id, debit, currency, amount from fresh
         union all
         select tenant_id, entry_id, credit, currency, -amount from fresh",
    )
    .bind(sqlx::types::Json(rows))
    .execute(conn)
    .await?;
    Ok(())
}

fn row(new: &NewEntry) -> Result<serde_json::Value, MoneyError> {
    let [debit, credit] = new.entry.postings()?;
    Ok(serde_json::json!({
        "tenant_id": new.key.tenant.as_uuid(),
        "payment_id": new.key.payment.as_uuid(),
        "refund_id": new.refund.map(RefundId::as_uuid),
        "kind": new.entry.kind.name(),
        "currency": new.entry.amount.currency().code(),
        "debit": debit.account.name(),
        "credit": credit.account.name(),
        "amount": debit.amount.minor_units(),
    }))
}
