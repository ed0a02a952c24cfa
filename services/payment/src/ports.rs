//! What the use cases need from outside. One method is one transaction, or one call.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;
use tradepost_messaging::{BoxError, Message};
use tradepost_postgres::DbError;
use tradepost_telemetry::Redacted;
use tradepost_types::{Currency, Money, OrderId, PaymentId, RefundId, TenantId};

use crate::domain::{Call, Case, Input, Observation, RefundCase, RefundInput, RefundRefusal};

/// What the order asks for.
#[derive(Debug, Clone)]
pub enum Action {
    /// Hold the money.
    Authorize {
        /// How much; above zero.
        amount: Money,
        /// The provider's token of the card.
        payment_method: Redacted<String>,
    },
    /// Take it: this much, or all.
    Capture(Option<Money>),
    /// Let it go, whatever the state.
    Void,
    /// Give this much back, or all that is left.
    Refund(RefundId, Option<Money>),
}

/// A command about one payment, and the message that brought it.
#[derive(Clone)]
pub struct Asked {
    /// The message.
    pub cause: Message,
    /// The payment.
    pub payment: PaymentId,
    /// The order it pays.
    pub order: OrderId,
    /// What is asked.
    pub action: Action,
}

/// Without the message's body: it holds the card's token.
impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked")
            .field("cause", &self.cause.id)
            .field("payment", &self.payment)
            .field("order", &self.order)
            .field("action", &self.action)
            .finish()
    }
}

/// Which payment, of whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Whose it is.
    pub tenant: TenantId,
    /// Which one.
    pub payment: PaymentId,
}

/// What is to be done at the provider.
#[derive(Debug, Clone)]
pub enum Job {
    /// A call for the payment.
    Payment {
        /// Which one.
        call: Call,
        /// The amount the call is about.
        amount: Money,
        /// The card's token, as long as a call may need it.
        payment_method: Option<Redacted<String>>,
    },
    /// A call for a refund.
    Refund {
        /// Which one.
        id: RefundId,
        /// How much.
        amount: Money,
        /// The provider's name of it, once known.
        reference: Option<String>,
        /// An earlier call may have had its effect.
        asked_before: bool,
    },
}

/// A call that is due, on lease to whoever took it.
#[derive(Debug, Clone)]
pub struct Work {
    /// The payment.
    pub key: Key,
    /// The order it pays.
    pub order: OrderId,
    /// The provider's name of the payment, once known.
    pub reference: Option<String>,
    /// Fruitless calls in a row before this.
    pub attempts: u32,
    /// How long ago it was first asked for; the provider forgets idempotency keys.
    pub age: Duration,
    /// The call.
    pub job: Job,
    /// Whose trace it continues.
    pub traceparent: Option<String>,
}

/// What came of a call, or what a webhook hints at.
#[derive(Debug, Clone)]
pub enum News {
    /// About the payment.
    Payment {
        /// The provider's name of it.
        reference: Option<String>,
        /// What the machine takes.
        input: Input,
    },
    /// About a refund.
    Refund {
        /// Which one.
        id: RefundId,
        /// The provider's name of it.
        reference: Option<String>,
        /// What the machine takes.
        input: RefundInput,
    },
    /// No call was made; it is tried again later, a refund if one is named.
    Postponed(Option<RefundId>, Option<Duration>),
}

/// News of one payment.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The payment.
    pub key: Key,
    /// The news.
    pub news: News,
}

/// A webhook that proved genuine.
#[derive(Debug, Clone)]
pub struct WebhookEvent {
    /// The provider's id of it, by which a repetition is recognised.
    pub id: String,
    /// What it hints at.
    pub outcome: Outcome,
    /// The same, as it is kept while the payment is not there.
    pub hint: serde_json::Value,
}

/// What became of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It was applied.
    Applied,
    /// The payment is not there yet; it waits.
    Parked,
    /// It had been taken before.
    Duplicate,
}

/// What a store did, for metrics, and the calls that are due now.
#[derive(Debug, Default)]
pub struct Done {
    /// Calls to make, on lease.
    pub work: Vec<Work>,
    /// Words for what the orders were told.
    pub told: Vec<&'static str>,
}

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

/// A payment as it is stored.
#[derive(Debug, Clone)]
pub struct StoredPayment {
    /// The payment; its refunds are beside it.
    pub case: Case,
    /// The refunds, oldest first.
    pub refunds: Vec<StoredRefund>,
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

    /// Applies a webhook once, or parks it while its payment is not there.
    async fn take_webhook(&self, event: &WebhookEvent) -> Result<(Taken, Done), StoreError>;

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
    /// The card said no; nothing is held.
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
