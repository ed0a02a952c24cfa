//! Payments as the others see them.

use sqlx::FromRow;
use tradepost_types::{OrderId, PaymentId, TenantId};
use uuid::Uuid;

use super::{OrderKey, states};
use crate::audit::CannotAudit;

states! {
    /// Where a payment stands.
    PaymentState of "a payment" {
        Authorizing = "authorizing",
        RequiresAction = "requires_action",
        Authorized = "authorized",
        Declined = "declined",
        Unknown = "unknown",
        Capturing = "capturing",
        PartiallyCaptured = "partially_captured",
        Captured = "captured",
        CaptureUnknown = "capture_unknown",
        Voiding = "voiding",
        Voided = "voided",
        AuthorizationExpired = "authorization_expired",
        Conflicted = "conflicted",
    }
}

impl PaymentState {
    /// Whether it cannot have come here without the provider.
    pub(crate) const fn reached_provider(self) -> bool {
        match self {
            Self::RequiresAction
            | Self::Authorized
            | Self::Declined
            | Self::Capturing
            | Self::PartiallyCaptured
            | Self::Captured
            | Self::CaptureUnknown
            | Self::AuthorizationExpired
            | Self::Conflicted => true,
            Self::Authorizing | Self::Unknown | Self::Voiding | Self::Voided => false,
        }
    }

    /// Whether the order was told how the authorisation ended.
    pub(crate) const fn is_answered(self) -> bool {
        match self {
            Self::Authorized
            | Self::Declined
            | Self::Voided
            | Self::Capturing
            | Self::PartiallyCaptured
            | Self::Captured
            | Self::CaptureUnknown
            | Self::AuthorizationExpired
            | Self::Conflicted => true,
            Self::Authorizing | Self::RequiresAction | Self::Unknown | Self::Voiding => false,
        }
    }
}

/// A payment with the sums of its refunds.
#[derive(Debug, Clone)]
pub(crate) struct Payment {
    pub(crate) tenant: TenantId,
    pub(crate) id: PaymentId,
    pub(crate) order: OrderId,
    pub(crate) state: PaymentState,
    pub(crate) currency: Option<String>,
    pub(crate) amount: i64,
    pub(crate) captured: i64,
    /// Refunds that went through.
    pub(crate) refunded: i64,
    /// Those of them that a caller asked for, not the saga.
    pub(crate) refunded_by_request: i64,
    /// What disputes took, without fees.
    pub(crate) withdrawn: i64,
    /// What of it came back.
    pub(crate) reinstated: i64,
    /// What disputes cost besides, less what was returned.
    pub(crate) dispute_fees: i64,
}

pub(super) const QUERY: &str = "
with paid_back as (
    select tenant_id, payment_id,
           coalesce(sum(amount) filter (where state = 'succeeded'), 0)::int8 as refunded,
           coalesce(sum(amount) filter (where state = 'succeeded' and origin = 'request'), 0)::int8
               as by_request
    from refunds group by tenant_id, payment_id),
disputed as (
    select tenant_id, payment_id, sum(withdrawn)::int8 as withdrawn,
           sum(reinstated)::int8 as reinstated, sum(fee - fee_returned)::int8 as fees
    from disputes group by tenant_id, payment_id)
select p.tenant_id, p.payment_id, p.order_id, p.state, p.currency, p.amount, p.captured,
       coalesce(b.refunded, 0) as refunded, coalesce(b.by_request, 0) as refunded_by_request,
       coalesce(d.withdrawn, 0) as withdrawn, coalesce(d.reinstated, 0) as reinstated,
       coalesce(d.fees, 0) as dispute_fees
from payments p
left join disputed d on d.tenant_id = p.tenant_id and d.payment_id = p.payment_id
left join paid_back b on b.tenant_id = p.tenant_id and b.payment_id = p.payment_id";

/// A row of [`QUERY`].
#[derive(FromRow)]
pub(super) struct Row {
    tenant_id: Uuid,
    payment_id: Uuid,
    order_id: Uuid,
    state: String,
    currency: Option<String>,
    amount: i64,
    captured: i64,
    refunded: i64,
    refunded_by_request: i64,
    withdrawn: i64,
    reinstated: i64,
    dispute_fees: i64,
}

impl Payment {
    pub(super) fn from_row(row: Row) -> Result<((TenantId, PaymentId), Self), CannotAudit> {
        let payment = Self {
            tenant: TenantId::from_uuid(row.tenant_id),
            id: PaymentId::from_uuid(row.payment_id),
            order: OrderId::from_uuid(row.order_id),
            state: PaymentState::parse(&row.state)?,
            currency: row.currency,
            amount: row.amount,
            captured: row.captured,
            refunded: row.refunded,
            refunded_by_request: row.refunded_by_request,
            withdrawn: row.withdrawn,
            reinstated: row.reinstated,
            dispute_fees: row.dispute_fees,
        };
        Ok(((payment.tenant, payment.id), payment))
    }

    pub(crate) const fn order(&self) -> OrderKey {
        (self.tenant, self.order)
    }

    /// What the provider holds by our books; `None` while a call about it is under way, or where
    /// the provider's amount is known to differ.
    pub(crate) const fn held(&self) -> Option<i64> {
        match self.state {
            PaymentState::Authorized => Some(self.amount),
            PaymentState::RequiresAction
            | PaymentState::Declined
            | PaymentState::PartiallyCaptured
            | PaymentState::Captured
            | PaymentState::Voided
            | PaymentState::AuthorizationExpired => Some(0),
            PaymentState::Authorizing
            | PaymentState::Unknown
            | PaymentState::Capturing
            | PaymentState::CaptureUnknown
            | PaymentState::Voiding
            | PaymentState::Conflicted => None,
        }
    }
}
