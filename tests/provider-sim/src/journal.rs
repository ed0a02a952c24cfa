//! The durable log: what one line holds. How lines reach the disk is in `journal/file.rs`.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::error::ApiError;
use crate::model::{Dispute, EventType, Intent, Metadata, Refund};

mod file;

pub(crate) use file::{Journal, Position, lines};

/// What was asked of the provider, or what happened inside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// A payment intent is created (and with `confirm` authorised).
    Create,
    /// An intent is confirmed.
    Confirm,
    /// An authorisation is captured.
    Capture,
    /// An intent is canceled, its authorisation voided.
    Cancel,
    /// A refund is made.
    Refund,
    /// Intents are searched.
    Search,
    /// An intent, a refund or a list of refunds is read.
    Get,
    /// The customer completed or failed the authentication.
    Action,
    /// An unfinished capture or refund ended.
    Settle,
    /// A bank began a dispute, or went on with it.
    Dispute,
    /// A webhook was delivered or given up.
    Webhook,
    /// Everything before is forgotten.
    Reset,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The state changed.
    Effect,
    /// The answer of an earlier request with the same key was given again.
    Replayed,
    /// The card said no.
    Declined,
    /// The provider said no.
    Refused,
    /// A fault was played and nothing changed.
    Fault,
    /// The receiver took the webhook.
    Delivered,
    /// The webhook was given up.
    Undelivered,
}

/// One movement of money or of a claim on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// Which way.
    pub kind: MoveKind,
    /// Minor units, always positive.
    pub amount: i64,
}

/// The kinds of movements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MoveKind {
    /// The card's money is held.
    Authorised,
    /// Held money is taken.
    Captured,
    /// The rest of a part capture is given free.
    Released,
    /// A cancel gave the held money free.
    Voided,
    /// The hold ran out.
    Expired,
    /// Taken money is given back.
    Refunded,
    /// A refund did not arrive and the money came back.
    RefundReversed,
    /// A dispute took money from the merchant.
    DisputeWithdrawn,
    /// A dispute gave it back.
    DisputeReinstated,
    /// A dispute cost this besides.
    DisputeFee,
    /// That was returned.
    DisputeFeeReturned,
}

/// A webhook event that an entry caused, or that a webhook entry is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRef {
    /// `evt_…`
    pub id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: EventType,
}

/// One line of the log. The lines with an effect hold the whole object afterwards, so that the
/// state and every idempotent answer can be rebuilt from the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Gap-free within one file.
    pub seq: u64,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub time: OffsetDateTime,
    /// What.
    pub op: Op,
    /// How it ended.
    pub outcome: Outcome,
    /// `pi_…`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent_id: Option<String>,
    /// `re_…`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refund_id: Option<String>,
    /// The merchant's payment id, from the metadata.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_id: Option<String>,
    /// The merchant's order id, from the metadata.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<String>,
    /// The merchant's tenant id, from the metadata.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,
    /// The amount this entry is about, in minor units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<i64>,
    /// Lower-case ISO 4217 code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// The client's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// The request's fingerprint; present exactly when the answer is saved under the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// The fault that was played on this request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// The error that was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ApiError>,
    /// What happened to money.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moves: Vec<Move>,
    /// The webhooks it caused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<EventRef>,
    /// The intent afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<Intent>,
    /// The refund afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refund: Option<Refund>,
    /// The dispute afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispute: Option<Dispute>,
}

impl Entry {
    pub(crate) fn new(seq: u64, time: OffsetDateTime, op: Op, outcome: Outcome) -> Self {
        Self {
            seq,
            time,
            op,
            outcome,
            intent_id: None,
            refund_id: None,
            payment_id: None,
            order_id: None,
            tenant_id: None,
            amount: None,
            currency: None,
            idempotency_key: None,
            fingerprint: None,
            fault: None,
            error: None,
            moves: Vec::new(),
            events: Vec::new(),
            intent: None,
            refund: None,
            dispute: None,
        }
    }

    /// Copies the merchant's references.
    pub(crate) fn refer(&mut self, metadata: &Metadata) {
        let reference = |key: &str| metadata.get(key).map(str::to_owned);
        self.payment_id = reference("payment_id");
        self.order_id = reference("order_id");
        self.tenant_id = reference("tenant_id");
    }

    /// Says which intent this is about.
    pub(crate) fn about(mut self, intent: &Intent) -> Self {
        self.refer(&intent.metadata);
        self.intent_id = Some(intent.id.clone());
        self.currency = Some(intent.currency.clone());
        self
    }
}
