//! What the use cases need from outside. One method is one transaction, or one call.

mod desk;
mod work;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tradepost_messaging::BoxError;
use tradepost_postgres::{Abandoned, DbError};
use tradepost_types::{Currency, Money, OrderId, PaymentId, RefundId, TenantId};

pub use self::desk::{
    LedgerFilter, LedgerLine, NewRefund, RequestKey, StoredDispute, StoredPayment, StoredRefund,
};
pub use self::work::{
    Action, Asked, Done, Job, Key, News, Outcome, Taken, WebhookEvent, Whose, Work,
};
use crate::domain::{Observation, RefundInput, RefundRefusal};

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The request id was used for another request.
    #[error("the request id was used for another request")]
    RequestIdReused,
    /// This tenant has no such payment.
    #[error("there is no such payment")]
    PaymentNotFound,
    /// The refund cannot be made.
    #[error("the refund is refused")]
    Refund(#[source] RefundRefusal),
    /// The database.
    #[error("the database failed")]
    Database(#[from] DbError),
}

impl From<Abandoned> for StoreError {
    fn from(abandoned: Abandoned) -> Self {
        Self::Database(abandoned.into())
    }
}

/// Payments, as commands, provider and webhooks change them.
#[async_trait]
pub trait PaymentStore: Send + Sync {
    /// Carries out every command that was never carried out before and answers what can be
    /// answered. Must return [`StoreError::Database`] and have no effect if the transaction fails.
    async fn carry_out(&self, batch: &[Asked]) -> Result<Done, StoreError>;

    /// Notes what came of calls. Must have no effect if it fails.
    async fn record(&self, outcomes: &[Outcome]) -> Result<Done, StoreError>;

    /// Takes up to `limit` due calls on lease; several processes may do so at once.
    async fn lease_due(&self, limit: i64) -> Result<Vec<Work>, StoreError>;

    /// Applies each webhook once, or parks it while its payment is not there; says what became of
    /// each, in their order. Must have no effect if it fails.
    async fn take_webhooks(
        &self,
        events: &[WebhookEvent],
    ) -> Result<(Vec<Taken>, Done), StoreError>;

    /// Tries up to `limit` parked webhooks again whose time has come; how many were applied.
    async fn retry_webhooks(&self, limit: i64) -> Result<(usize, Done), StoreError>;

    /// How many payments have an outcome that is not known.
    async fn unknown(&self) -> Result<i64, StoreError>;
}

/// What callers read and ask for.
#[async_trait]
pub trait PaymentDesk: Send + Sync {
    /// The payment, if this tenant has it.
    async fn find(
        &self,
        tenant: TenantId,
        id: PaymentId,
    ) -> Result<Option<StoredPayment>, StoreError>;

    /// Sets an amount aside and asks for its refund. Must return
    /// [`StoreError::PaymentNotFound`], [`StoreError::Refund`], [`StoreError::RequestIdReused`].
    async fn refund(
        &self,
        tenant: TenantId,
        key: &RequestKey,
        new: &NewRefund,
    ) -> Result<(PaymentId, StoredRefund, Done), StoreError>;

    /// Up to `limit` postings, oldest first.
    async fn ledger(
        &self,
        tenant: TenantId,
        filter: &LedgerFilter,
        limit: i64,
    ) -> Result<Vec<LedgerLine>, StoreError>;

    /// Every balance, by account, then currency.
    async fn balances(&self, tenant: TenantId) -> Result<Vec<(String, Money)>, StoreError>;
}

/// What the provider says of an intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its own name of it.
    pub reference: String,
    /// What it says.
    pub observation: Observation,
}

/// What the provider says of a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenRefund {
    /// Its own name of it.
    pub reference: String,
    /// What it says.
    pub input: RefundInput,
}

/// Why the provider's answer is none.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The card said no, or its bank did: nothing is held, or nothing goes back.
    #[error("declined: {reason}")]
    Declined {
        /// A stable word, e.g. `INSUFFICIENT_FUNDS`.
        reason: String,
    },
    /// The provider will not do it, whoever asks again.
    #[error("refused: {code}")]
    Refused {
        /// The provider's own code.
        code: String,
    },
    /// The call may or may not have had its effect.
    #[error("the outcome is unknown")]
    Unknown(#[source] BoxError),
    /// The call had no effect: not reached, throttled, or not tried.
    #[error("the provider is unavailable")]
    Unavailable {
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// It does not know the reference.
    #[error("the provider does not know it")]
    NotFound,
}

/// What a call about a payment is about.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// The payment; calls are repeated under a key made of it.
    pub key: Key,
    /// The order it pays.
    pub order: OrderId,
    /// The amount of the call.
    pub amount: Money,
    /// The card's token, for a new intent.
    pub payment_method: Option<&'a str>,
}

/// The card provider. Every call may be repeated without a second effect. Every method may return [`ProviderError::Unknown`] and
/// [`ProviderError::Unavailable`].
#[async_trait]
pub trait CardProvider: Send + Sync {
    /// Holds the money. Must return [`ProviderError::Declined`] or [`ProviderError::Refused`] only
    /// if nothing is held.
    async fn authorize(&self, about: About<'_>) -> Result<Seen, ProviderError>;
    /// Takes `about.amount` of the intent. Must return [`ProviderError::Refused`] only if nothing
    /// was taken.
    async fn capture(&self, about: About<'_>, reference: &str) -> Result<Seen, ProviderError>;
    /// Lets the money go. Must return [`ProviderError::Refused`] only for good.
    async fn cancel(&self, about: About<'_>, reference: &str) -> Result<Seen, ProviderError>;
    /// Asks what became of the intent, by its reference or else by our own. Must return
    /// [`ProviderError::NotFound`] if it knows none.
    async fn ask(&self, key: Key, reference: Option<String>) -> Result<Seen, ProviderError>;
    /// Gives `about.amount` of the intent back.
    async fn refund(
        &self,
        about: About<'_>,
        reference: &str,
        id: RefundId,
    ) -> Result<SeenRefund, ProviderError>;
    /// Asks what became of a refund of the intent. Must return [`ProviderError::NotFound`] if there
    /// is none.
    async fn ask_refund(&self, reference: &str, id: RefundId) -> Result<SeenRefund, ProviderError>;
}

/// Why a webhook is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WebhookFault {
    /// The sender is not who it should be.
    #[error("the signature is not valid")]
    Forged,
    /// The sender is right, the time is too far from now.
    #[error("the signature's time is too far from now")]
    Stale,
    /// The sender is right, the body is not an event.
    #[error("the body is not an event")]
    Malformed,
}

impl WebhookFault {
    /// One word for it, for metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Forged => "forged",
            Self::Stale => "stale",
            Self::Malformed => "malformed",
        }
    }
}

/// Believes and reads webhooks.
pub trait WebhookReader: Send + Sync {
    /// The event; nothing for a genuine one that tells us nothing.
    ///
    /// # Errors
    /// [`WebhookFault`]; nothing of a forged body may be looked at.
    fn read(&self, payload: &[u8], signature: &str) -> Result<Option<WebhookEvent>, WebhookFault>;
}

/// The reader as the use case holds it.
pub type Webhooks = Arc<dyn WebhookReader>;

/// A currency for amounts of nothing, where none is known.
pub(crate) const NO_CURRENCY: Currency = Currency::USD;

/// The store as the use cases hold it.
pub type Payments = Arc<dyn PaymentStore>;
/// The desk as the calls hold it.
pub type Desk = Arc<dyn PaymentDesk>;
/// The provider as the use cases hold it.
pub type Provider = Arc<dyn CardProvider>;
