//! Rows and what they mean; a row that means nothing is a fault.

use std::time::Duration;

use sqlx::FromRow;
use time::OffsetDateTime;
use tradepost_postgres::DbError;
use tradepost_types::{Currency, Money, OrderId, PaymentId, RefundId, TenantId};
use uuid::Uuid;

use crate::domain::{Case, Origin, Payment, Refund, RefundCase, RefundState, State};
use crate::ports::{NO_CURRENCY, StoredRefund};

/// The columns of [`PaymentRow`].
pub(super) const PAYMENT_COLUMNS: &str = "tenant_id, payment_id, order_id, state, currency, amount,
    capture_amount, captured, refunded, void_requested, fully_refunded, decline_reason, payment_method,
    provider_reference, authorize_cause, capture_cause, void_cause, traceparent, attempts, disputes,
    extract(epoch from clock_timestamp() - created_at)::bigint as age_seconds,
    created_at, updated_at";

/// The columns of [`RefundRow`].
pub(super) const REFUND_COLUMNS: &str = "tenant_id, refund_id, payment_id, state, amount, origin,
    note, failure_reason, provider_reference, cause, traceparent, attempts,
    extract(epoch from clock_timestamp() - created_at)::bigint as age_seconds,
    created_at, updated_at";

#[derive(FromRow)]
pub(super) struct PaymentRow {
    pub(super) tenant_id: Uuid,
    pub(super) payment_id: Uuid,
    pub(super) order_id: Uuid,
    state: String,
    currency: Option<String>,
    amount: i64,
    capture_amount: Option<i64>,
    captured: i64,
    refunded: i64,
    void_requested: bool,
    fully_refunded: bool,
    decline_reason: Option<String>,
    pub(super) payment_method: Option<String>,
    provider_reference: Option<String>,
    pub(super) authorize_cause: Option<Uuid>,
    pub(super) capture_cause: Option<Uuid>,
    pub(super) void_cause: Option<Uuid>,
    pub(super) traceparent: Option<String>,
    attempts: i32,
    /// How many there are.
    pub(super) disputes: i32,
    age_seconds: i64,
    pub(super) created_at: OffsetDateTime,
    pub(super) updated_at: OffsetDateTime,
}

impl PaymentRow {
    pub(super) fn age(&self) -> Duration {
        age(self.age_seconds)
    }

    /// The case without its refunds and disputes.
    pub(super) fn case(&self) -> Result<Case, DbError> {
        let currency = match &self.currency {
            Some(code) => code.parse().map_err(|_unknown| broken("currency"))?,
            None => NO_CURRENCY,
        };
        let money = |units| Money::new(units, currency);
        let payment = Payment {
            amount: money(self.amount),
            state: State::parse(&self.state).ok_or_else(|| broken("payment state"))?,
            capture_amount: self.capture_amount.map(money),
            captured: money(self.captured),
            refunded: money(self.refunded),
            lost: money(0),
            void_requested: self.void_requested,
            fully_refunded: self.fully_refunded,
            decline_reason: self.decline_reason.clone(),
        };
        let mut case = Case::with(
            TenantId::from_uuid(self.tenant_id),
            PaymentId::from_uuid(self.payment_id),
            OrderId::from_uuid(self.order_id),
            payment,
        );
        case.reference.clone_from(&self.provider_reference);
        case.attempts = u32::try_from(self.attempts).unwrap_or_default();
        Ok(case)
    }
}

#[derive(FromRow)]
pub(super) struct RefundRow {
    pub(super) tenant_id: Uuid,
    pub(super) refund_id: Uuid,
    pub(super) payment_id: Uuid,
    state: String,
    amount: i64,
    origin: String,
    note: String,
    failure_reason: Option<String>,
    provider_reference: Option<String>,
    pub(super) cause: Option<Uuid>,
    pub(super) traceparent: Option<String>,
    attempts: i32,
    age_seconds: i64,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

impl RefundRow {
    pub(super) fn age(&self) -> Duration {
        age(self.age_seconds)
    }

    pub(super) fn made(&self, currency: Currency) -> Result<RefundCase, DbError> {
        Ok(RefundCase {
            refund: Refund {
                id: RefundId::from_uuid(self.refund_id),
                amount: Money::new(self.amount, currency),
                state: RefundState::parse(&self.state).ok_or_else(|| broken("refund state"))?,
                failure_reason: self.failure_reason.clone(),
            },
            origin: Origin::parse(&self.origin).ok_or_else(|| broken("refund origin"))?,
            reference: self.provider_reference.clone(),
            attempts: u32::try_from(self.attempts).unwrap_or_default(),
        })
    }

    pub(super) fn stored(self, currency: Currency) -> Result<StoredRefund, DbError> {
        Ok(StoredRefund {
            made: self.made(currency)?,
            note: self.note,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

fn age(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}

/// A row that breaks what the tables promise.
pub(super) fn broken(what: &'static str) -> DbError {
    DbError::Query(sqlx::Error::Decode(
        format!("the stored {what} means nothing").into(),
    ))
}
