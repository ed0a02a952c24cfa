//! The provider's objects: payment intents and refunds. How they look on the wire is in `render`.

use serde::{Deserialize, Serialize};

use crate::error::ApiError;

mod metadata;

pub use metadata::Metadata;

/// State of a payment intent, in Stripe's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntentStatus {
    /// No usable payment method: none was given, or the last one was declined.
    RequiresPaymentMethod,
    /// Created, not yet confirmed.
    RequiresConfirmation,
    /// The customer must authenticate.
    RequiresAction,
    /// Authorised, waiting for the capture.
    RequiresCapture,
    /// The capture is under way.
    Processing,
    /// Captured.
    Succeeded,
    /// Voided, or the authorisation expired.
    Canceled,
}

impl IntentStatus {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::RequiresPaymentMethod => "requires_payment_method",
            Self::RequiresConfirmation => "requires_confirmation",
            Self::RequiresAction => "requires_action",
            Self::RequiresCapture => "requires_capture",
            Self::Processing => "processing",
            Self::Succeeded => "succeeded",
            Self::Canceled => "canceled",
        }
    }
}

/// When an authorised payment is captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaptureMethod {
    /// With the authorisation.
    Automatic,
    /// Stripe's newer default; the same here.
    AutomaticAsync,
    /// By a call of its own.
    Manual,
}

/// A payment intent with its only charge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    /// `pi_…`
    pub id: String,
    /// What the provider says the amount is, in minor units.
    pub amount: i64,
    /// Lower-case ISO 4217 code.
    pub currency: String,
    /// When it is captured.
    pub capture_method: CaptureMethod,
    /// Where it stands.
    pub status: IntentStatus,
    /// The token it is paid with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_method: Option<String>,
    /// Captured so far.
    pub captured: i64,
    /// Refunds of it that did not fail.
    pub refunded: i64,
    /// What banks hold of it for open disputes, or gave away with lost ones.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub disputed: i64,
    /// Whether a charge exists (an authorisation was given).
    pub charged: bool,
    /// Unix seconds.
    pub created: i64,
    /// Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canceled_at: Option<i64>,
    /// Given on cancel, `automatic` when the authorisation expired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancellation_reason: Option<String>,
    /// The merchant's text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Why the last attempt failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_payment_error: Option<Box<ApiError>>,
    /// The merchant's references.
    pub metadata: Metadata,
}

impl Intent {
    /// What can still be captured.
    pub fn capturable(&self) -> i64 {
        match self.status {
            IntentStatus::RequiresCapture => self.amount,
            IntentStatus::RequiresPaymentMethod
            | IntentStatus::RequiresConfirmation
            | IntentStatus::RequiresAction
            | IntentStatus::Processing
            | IntentStatus::Succeeded
            | IntentStatus::Canceled => 0,
        }
    }

    /// What can still be refunded.
    pub fn refundable(&self) -> i64 {
        match self.status {
            IntentStatus::Succeeded => {
                let left = self.captured.saturating_sub(self.refunded);
                left.saturating_sub(self.disputed).max(0)
            }
            IntentStatus::RequiresPaymentMethod
            | IntentStatus::RequiresConfirmation
            | IntentStatus::RequiresAction
            | IntentStatus::RequiresCapture
            | IntentStatus::Processing
            | IntentStatus::Canceled => 0,
        }
    }

    /// `ch_…`, once there is a charge.
    pub fn charge_id(&self) -> Option<String> {
        let suffix = self.id.strip_prefix("pi_").unwrap_or(&self.id);
        self.charged.then(|| format!("ch_{suffix}"))
    }
}

/// State of a refund, in Stripe's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundStatus {
    /// Sent, not yet known to have arrived.
    Pending,
    /// Done; some cards fail it later all the same.
    Succeeded,
    /// The money came back to the merchant.
    Failed,
}

/// How an unfinished object will end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Settlement {
    /// It will succeed.
    Succeed,
    /// It will fail.
    Fail,
}

/// A refund of a captured intent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Refund {
    /// `re_…`
    pub id: String,
    /// The refunded intent.
    pub intent_id: String,
    /// Minor units.
    pub amount: i64,
    /// Lower-case ISO 4217 code.
    pub currency: String,
    /// Where it stands.
    pub status: RefundStatus,
    /// What is still to happen to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settles: Option<Settlement>,
    /// The merchant's reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Unix seconds.
    pub created: i64,
    /// The merchant's references.
    pub metadata: Metadata,
}

fn is_zero(units: &i64) -> bool {
    *units == 0
}

/// State of a dispute, in Stripe's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisputeStatus {
    /// The bank asks, and waits for an answer; no money moves.
    WarningNeedsResponse,
    /// The bank asks, and looks at the answer.
    WarningUnderReview,
    /// The bank asks no more.
    WarningClosed,
    /// The bank took the money and waits for evidence.
    NeedsResponse,
    /// The bank looks at the evidence.
    UnderReview,
    /// The money is the merchant's.
    Won,
    /// The money is the customer's.
    Lost,
}

/// A movement of the merchant's balance for a dispute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalanceTransaction {
    /// `txn_…`
    pub id: String,
    /// Minor units: below zero what is withdrawn, above what is reinstated.
    pub amount: i64,
    /// What it costs; below zero what is returned.
    pub fee: i64,
}

/// A customer's objection to a captured intent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispute {
    /// `dp_…`
    pub id: String,
    /// The disputed intent.
    pub intent_id: String,
    /// Minor units.
    pub amount: i64,
    /// Lower-case ISO 4217 code.
    pub currency: String,
    /// In Stripe's words, e.g. `fraudulent`.
    pub reason: String,
    /// Where it stands.
    pub status: DisputeStatus,
    /// What a withdrawal costs, in minor units.
    pub fee: i64,
    /// All movements so far, oldest first.
    pub balance_transactions: Vec<BalanceTransaction>,
    /// Unix seconds.
    pub created: i64,
}

/// The kinds of webhook events the simulator sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EventType {
    /// An authorisation was given.
    #[serde(rename = "payment_intent.amount_capturable_updated")]
    AmountCapturableUpdated,
    /// The money was captured.
    #[serde(rename = "payment_intent.succeeded")]
    Succeeded,
    /// An attempt was declined or an authentication failed.
    #[serde(rename = "payment_intent.payment_failed")]
    PaymentFailed,
    /// Voided or expired.
    #[serde(rename = "payment_intent.canceled")]
    Canceled,
    /// The customer must authenticate.
    #[serde(rename = "payment_intent.requires_action")]
    RequiresAction,
    /// A capture is under way.
    #[serde(rename = "payment_intent.processing")]
    Processing,
    /// A refund of the charge was made.
    #[serde(rename = "charge.refunded")]
    ChargeRefunded,
    /// A refund was made.
    #[serde(rename = "refund.created")]
    RefundCreated,
    /// A refund changed.
    #[serde(rename = "refund.updated")]
    RefundUpdated,
    /// A refund failed after all.
    #[serde(rename = "refund.failed")]
    RefundFailed,
    /// A dispute or an inquiry began.
    #[serde(rename = "charge.dispute.created")]
    DisputeCreated,
    /// It changed.
    #[serde(rename = "charge.dispute.updated")]
    DisputeUpdated,
    /// It took money.
    #[serde(rename = "charge.dispute.funds_withdrawn")]
    DisputeFundsWithdrawn,
    /// It gave money back.
    #[serde(rename = "charge.dispute.funds_reinstated")]
    DisputeFundsReinstated,
    /// It is decided.
    #[serde(rename = "charge.dispute.closed")]
    DisputeClosed,
}
