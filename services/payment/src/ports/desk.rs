//! What callers ask for and read.

use time::OffsetDateTime;
use tradepost_types::{DisputeId, Money, PaymentId, RefundId};

use crate::domain::{Case, Dispute, RefundCase};

/// A caller's key of a mutating call.
#[derive(Debug, Clone)]
pub struct RequestKey {
    /// As the caller chose it.
    pub id: String,
    /// Of the request without it.
    pub fingerprint: [u8; 32],
}

/// A refund as a caller asks for it.
#[derive(Debug, Clone)]
pub struct NewRefund {
    /// Of which payment.
    pub payment: PaymentId,
    /// How much; all that is left if absent.
    pub amount: Option<Money>,
    /// Why, for people.
    pub note: String,
}

/// A refund as it is stored.
#[derive(Debug, Clone)]
pub struct StoredRefund {
    /// The refund.
    pub made: RefundCase,
    /// Why, for people.
    pub note: String,
    /// When it was asked for.
    pub created_at: OffsetDateTime,
    /// When it last changed.
    pub updated_at: OffsetDateTime,
}

/// A dispute as it is stored.
#[derive(Debug, Clone)]
pub struct StoredDispute {
    /// The dispute.
    pub dispute: Dispute,
    /// When we first heard of it.
    pub created_at: OffsetDateTime,
    /// When it last changed.
    pub updated_at: OffsetDateTime,
}

/// A payment as it is stored.
#[derive(Debug, Clone)]
pub struct StoredPayment {
    /// The payment; its refunds and disputes are beside it.
    pub case: Case,
    /// The refunds, oldest first.
    pub refunds: Vec<StoredRefund>,
    /// The disputes, oldest first.
    pub disputes: Vec<StoredDispute>,
    /// When it was asked for.
    pub created_at: OffsetDateTime,
    /// When it last changed.
    pub updated_at: OffsetDateTime,
}

/// One posting of the ledger.
#[derive(Debug, Clone)]
pub struct LedgerLine {
    /// The entry.
    pub entry_id: i64,
    /// The account.
    pub account: String,
    /// The signed amount.
    pub amount: Money,
    /// What happened.
    pub kind: String,
    /// The payment.
    pub payment: PaymentId,
    /// The refund, if it is about one.
    pub refund: Option<RefundId>,
    /// The dispute, if it is about one.
    pub dispute: Option<DisputeId>,
    /// When.
    pub created_at: OffsetDateTime,
}

/// Which postings are asked for.
#[derive(Debug, Clone, Default)]
pub struct LedgerFilter {
    /// Of this payment only.
    pub payment: Option<PaymentId>,
    /// Of this account only.
    pub account: Option<String>,
    /// After this entry and account.
    pub after: Option<(i64, String)>,
}
