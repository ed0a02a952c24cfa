//! The ledger: every batch is one statement.

use sqlx::PgConnection;
use tradepost_postgres::DbError;
use tradepost_types::MoneyError;
use uuid::Uuid;

use super::rows::broken;
use crate::domain::{Entry, Part};
use crate::ports::Key;

/// An entry to be made.
pub(super) struct NewEntry {
    pub(super) key: Key,
    pub(super) part: Option<Part>,
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
                 tenant_id uuid, payment_id uuid, refund_id uuid, dispute_id uuid, kind text, currency text,
                 debit text, credit text, amount bigint)),
         made as (
             insert into journal_entries
                 (tenant_id, entry_id, kind, payment_id, refund_id, dispute_id)
             select tenant_id, entry_id, kind, payment_id, refund_id, dispute_id from fresh)
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
    let (refund, dispute): (Option<Uuid>, Option<Uuid>) = match new.part {
        None => (None, None),
        Some(Part::Refund(id)) => (Some(id.as_uuid()), None),
        Some(Part::Dispute(id)) => (None, Some(id.as_uuid())),
    };
    Ok(serde_json::json!({
        "tenant_id": new.key.tenant.as_uuid(),
        "payment_id": new.key.payment.as_uuid(),
        "refund_id": refund,
        "dispute_id": dispute,
        "kind": new.entry.kind.name(),
        "currency": new.entry.amount.currency().code(),
        "debit": debit.account.name(),
        "credit": credit.account.name(),
        "amount": debit.amount.minor_units(),
    }))
}
