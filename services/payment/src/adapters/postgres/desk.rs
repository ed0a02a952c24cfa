//! What callers read and ask for: every method is one transaction of one tenant.

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, PgConnection};
use time::OffsetDateTime;
use tradepost_postgres::idempotency::{self, Claim};
use tradepost_postgres::{DbError, retrying};
use tradepost_types::{Currency, DisputeId, Money, PaymentId, RefundId, TenantId};
use uuid::Uuid;

use super::cases::RefundNotes;
use super::fold::{Fold, Wish};
use super::rows::{PAYMENT_COLUMNS, PaymentRow, REFUND_COLUMNS, RefundRow, broken};
use super::{PgPayments, disputes};
use crate::domain::Origin;
use crate::ports::{
    Done, Key, LedgerFilter, LedgerLine, NewRefund, PaymentDesk, RequestKey, StoreError,
    StoredPayment, StoredRefund,
};

const CREATE_REFUND: &str = "CreateRefund";

#[async_trait]
impl PaymentDesk for PgPayments {
    async fn find(
        &self,
        tenant: TenantId,
        id: PaymentId,
    ) -> Result<Option<StoredPayment>, StoreError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        let found = load(tx.conn(), tenant, id).await?;
        tx.commit().await?;
        Ok(found)
    }

    async fn refund(
        &self,
        tenant: TenantId,
        key: &RequestKey,
        new: &NewRefund,
    ) -> Result<(PaymentId, StoredRefund, Done), StoreError> {
        retrying(|| self.try_refund(tenant, key, new)).await
    }

    async fn ledger(
        &self,
        tenant: TenantId,
        filter: &LedgerFilter,
        limit: i64,
    ) -> Result<Vec<LedgerLine>, StoreError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        let after = filter.after.as_ref();
        let rows: Vec<LineRow> = sqlx::query_as(
            "select p.entry_id, p.account, p.currency, p.amount, e.kind, e.payment_id, e.refund_id,
                    e.dispute_id, e.created_at
             from journal_entries e
             join postings p on p.tenant_id = e.tenant_id and p.entry_id = e.entry_id
             where e.tenant_id = $1
               and ($2::uuid is null or e.payment_id = $2)
               and ($3::text is null or p.account = $3)
               and ($4::bigint is null or e.entry_id >= $4)
               and ($4::bigint is null or (p.entry_id, p.account collate \"C\") > ($4, $5))
             order by p.entry_id, p.account collate \"C\"
             limit $6",
        )
        .bind(tenant.as_uuid())
        .bind(filter.payment.map(PaymentId::as_uuid))
        .bind(&filter.account)
        .bind(after.map(|(entry, _)| *entry))
        .bind(after.map(|(_, account)| account))
        .bind(limit)
        .fetch_all(tx.conn())
        .await
        .map_err(DbError::from)?;
        tx.commit().await?;
        let lines: Result<_, DbError> = rows.into_iter().map(LineRow::line).collect();
        Ok(lines?)
    }

    async fn balances(&self, tenant: TenantId) -> Result<Vec<(String, Money)>, StoreError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        let rows: Vec<(String, String, i64)> = sqlx::query_as(
            "select account, currency, sum(amount)::bigint from postings
             where tenant_id = $1
             group by account, currency order by account, currency",
        )
        .bind(tenant.as_uuid())
        .fetch_all(tx.conn())
        .await
        .map_err(DbError::from)?;
        tx.commit().await?;
        let balance = |(account, code, units): (String, String, i64)| {
            Ok((account, Money::new(units, currency(&code)?)))
        };
        let balances: Result<_, DbError> = rows.into_iter().map(balance).collect();
        Ok(balances?)
    }
}

impl PgPayments {
    async fn try_refund(
        &self,
        tenant: TenantId,
        request: &RequestKey,
        new: &NewRefund,
    ) -> Result<(PaymentId, StoredRefund, Done), StoreError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        let (id, print) = (&request.id, &request.fingerprint);
        let claim = idempotency::claim(tx.conn(), tenant, CREATE_REFUND, id, print).await?;
        let (refund, done) = match claim {
            Claim::Mismatch => return Err(StoreError::RequestIdReused),
            Claim::Replay(kept) => {
                let kept = Uuid::from_slice(&kept).map_err(|_cut| broken("answer"))?;
                (RefundId::from_uuid(kept), Done::default())
            }
            Claim::Fresh => {
                let key = Key {
                    tenant,
                    payment: new.payment,
                };
                let mut fold = Fold::lock(tx.conn(), std::iter::once(key)).await?;
                if !fold.cases.contains_key(&key) {
                    return Err(StoreError::PaymentNotFound);
                }
                let refund = RefundId::new();
                let notes = RefundNotes {
                    note: new.note.clone(),
                    traceparent: tradepost_telemetry::current_traceparent(),
                    ..RefundNotes::default()
                };
                let wish = Wish {
                    id: refund,
                    amount: new.amount,
                    origin: Origin::Request,
                    notes,
                };
                fold.refund(key, wish).map_err(StoreError::Refund)?;
                let done = fold.save(tx.conn(), &self.outbox, self.pace).await?;
                let answer = refund.as_uuid();
                idempotency::complete(tx.conn(), tenant, CREATE_REFUND, id, answer.as_bytes())
                    .await?;
                (refund, done)
            }
        };
        let stored = load(tx.conn(), tenant, new.payment).await?;
        tx.commit().await?;
        let stored = stored.ok_or(StoreError::PaymentNotFound)?;
        let made = stored
            .refunds
            .into_iter()
            .find(|made| made.made.refund.id == refund);
        Ok((new.payment, made.ok_or_else(|| broken("refund"))?, done))
    }
}

async fn load(
    conn: &mut PgConnection,
    tenant: TenantId,
    id: PaymentId,
) -> Result<Option<StoredPayment>, DbError> {
    let query =
        format!("select {PAYMENT_COLUMNS} from payments where tenant_id = $1 and payment_id = $2");
    let row: Option<PaymentRow> = sqlx::query_as(AssertSqlSafe(query))
        .bind(tenant.as_uuid())
        .bind(id.as_uuid())
        .fetch_optional(&mut *conn)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let case = row.case()?;
    let query = format!(
        "select {REFUND_COLUMNS} from refunds where tenant_id = $1 and payment_id = $2
         order by created_at, refund_id"
    );
    let refunds: Vec<RefundRow> = sqlx::query_as(AssertSqlSafe(query))
        .bind(tenant.as_uuid())
        .bind(id.as_uuid())
        .fetch_all(&mut *conn)
        .await?;
    let key = Key {
        tenant,
        payment: id,
    };
    let disputes = match row.disputes {
        0 => Vec::new(),
        _ => disputes::of(conn, key).await?,
    };
    let currency = case.payment.amount.currency();
    let refunds = refunds.into_iter().map(|refund| refund.stored(currency));
    Ok(Some(StoredPayment {
        refunds: refunds.collect::<Result<_, _>>()?,
        disputes,
        case,
        created_at: row.created_at,
        updated_at: row.updated_at,
    }))
}

#[derive(sqlx::FromRow)]
struct LineRow {
    entry_id: i64,
    account: String,
    currency: String,
    amount: i64,
    kind: String,
    payment_id: Uuid,
    refund_id: Option<Uuid>,
    dispute_id: Option<Uuid>,
    created_at: OffsetDateTime,
}

impl LineRow {
    fn line(self) -> Result<LedgerLine, DbError> {
        Ok(LedgerLine {
            entry_id: self.entry_id,
            account: self.account,
            amount: Money::new(self.amount, currency(&self.currency)?),
            kind: self.kind,
            payment: PaymentId::from_uuid(self.payment_id),
            refund: self.refund_id.map(RefundId::from_uuid),
            dispute: self.dispute_id.map(DisputeId::from_uuid),
            created_at: self.created_at,
        })
    }
}

fn currency(code: &str) -> Result<Currency, DbError> {
    code.parse().map_err(|_unknown| broken("currency"))
}
