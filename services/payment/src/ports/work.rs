//! What orders ask for, what is to be done at the provider, and what came of it.

use std::fmt;
use std::time::Duration;

use tradepost_messaging::Message;
use tradepost_telemetry::Redacted;
use tradepost_types::{Money, OrderId, PaymentId, RefundId, TenantId};

use crate::domain::{Call, DisputeNews, Input, RefundInput};

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
    /// About a dispute.
    Dispute(DisputeNews),
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

/// How a webhook names its payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// By our ids, which the provider keeps with what we asked for.
    Ours(Key),
    /// By the provider's reference of the payment, with what the bank began.
    Theirs(String),
}

/// A webhook that proved genuine.
#[derive(Debug, Clone)]
pub struct WebhookEvent {
    /// The provider's id of it, by which a repetition is recognised.
    pub id: String,
    /// Which payment it is about.
    pub about: Whose,
    /// What it hints at.
    pub news: News,
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
