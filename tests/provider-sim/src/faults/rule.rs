//! One fault rule: what it matches and what it does.

use serde::{Deserialize, Serialize};

use super::Subject;
use crate::journal::Op;

/// Which operations a rule is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpMatch {
    /// All.
    #[default]
    Any,
    /// One.
    #[serde(untagged)]
    Only(Op),
}

/// Every condition given must hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The operation; for webhook faults the one that caused the webhook.
    #[serde(default)]
    pub op: OpMatch,
    /// The token the intent is paid with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_method: Option<String>,
    /// `metadata[payment_id]` of the intent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_id: Option<String>,
    /// Chance to fire, 0 to 1; always when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// How often it may still fire; without end when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// What goes wrong.
    pub fault: Fault,
}

/// What goes wrong. The kinds that begin with `webhook_` change deliveries, all others requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// Waits before the request is carried out; it is, even if the client hangs up meanwhile.
    Delay {
        /// How long.
        delay_ms: u64,
    },
    /// Answers this status without an effect.
    Status {
        /// 400 to 599.
        status: u16,
        /// Waits first.
        #[serde(default)]
        delay_ms: u64,
        /// Whether the answer is kept under the idempotency key, as Stripe keeps a 500 that its
        /// own code threw; `false` plays a failure before the endpoint.
        #[serde(default)]
        saved: bool,
    },
    /// Answers 429 with `Retry-After`.
    RateLimit {
        /// The header's value.
        #[serde(default = "one_second")]
        retry_after_seconds: u64,
    },
    /// Hangs without an effect, then closes the connection.
    TimeoutBefore {
        /// How long it hangs.
        #[serde(default = "half_a_minute")]
        hang_ms: u64,
    },
    /// Carries the request out, hangs, then closes the connection.
    TimeoutAfter {
        /// How long it hangs.
        #[serde(default = "half_a_minute")]
        hang_ms: u64,
    },
    /// Resets the connection without an effect.
    ResetBefore,
    /// Carries the request out, then resets the connection.
    ResetAfter,
    /// A search finds nothing: Stripe's index lags behind.
    SearchEmpty,
    /// Delivers it so many times more, all at once.
    WebhookDuplicate {
        /// Deliveries beyond the first.
        copies: u32,
    },
    /// Delivers it later, without holding up the others.
    WebhookDelay {
        /// How much later.
        delay_ms: u64,
    },
    /// Delivers it before the API answers.
    WebhookEarly,
    /// Delivers it after the next webhook of the same intent.
    WebhookOutOfOrder {
        /// Delivered in any case after this time.
        #[serde(default = "two_seconds")]
        hold_ms: u64,
    },
    /// The first delivery has a bad signature; what follows a refusal is genuine.
    WebhookForged,
    /// The first delivery has an old timestamp, properly signed; what follows is genuine.
    WebhookStale {
        /// How old.
        #[serde(default = "ten_minutes")]
        age_seconds: i64,
    },
    /// Never delivers it.
    WebhookNone,
}

/// Why a rule is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// `probability` is outside 0 to 1.
    #[error("probability must be between 0 and 1")]
    Probability,
    /// `status` is no error status.
    #[error("status must be between 400 and 599")]
    Status,
    /// A wait is longer than ten minutes.
    #[error("a delay is at most 600000 ms")]
    Delay,
    /// Too many copies.
    #[error("copies is at most 100")]
    Copies,
    /// Too many rules.
    #[error("there are too many rules")]
    TooMany,
}

const DELAY_MS_MAX: u64 = 600_000;
const COPIES_MAX: u32 = 100;

impl Rule {
    /// A rule for every request of one operation.
    pub fn on(op: Op, fault: Fault) -> Self {
        Self {
            op: OpMatch::Only(op),
            ..Self::always(fault)
        }
    }

    /// A rule for all operations.
    pub fn always(fault: Fault) -> Self {
        let op = OpMatch::Any;
        Self {
            op,
            payment_method: None,
            payment_id: None,
            probability: None,
            times: None,
            fault,
        }
    }

    /// Fires at most so often.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Only for this `metadata[payment_id]`.
    #[must_use]
    pub fn payment(mut self, payment_id: impl Into<String>) -> Self {
        self.payment_id = Some(payment_id.into());
        self
    }

    /// Only with this chance.
    #[must_use]
    pub fn chance(mut self, probability: f64) -> Self {
        self.probability = Some(probability);
        self
    }

    pub(super) fn check(&self) -> Result<(), RuleError> {
        if self
            .probability
            .is_some_and(|chance| !(0.0..=1.0).contains(&chance))
        {
            return Err(RuleError::Probability);
        }
        let status_ok =
            !matches!(self.fault, Fault::Status { status, .. } if !(400..=599).contains(&status));
        let copies_ok =
            !matches!(self.fault, Fault::WebhookDuplicate { copies } if copies > COPIES_MAX);
        if !status_ok {
            return Err(RuleError::Status);
        }
        if !copies_ok {
            return Err(RuleError::Copies);
        }
        if self.fault.wait_ms() > DELAY_MS_MAX {
            return Err(RuleError::Delay);
        }
        Ok(())
    }

    pub(super) fn matches(&self, subject: Subject<'_>) -> bool {
        let op = match self.op {
            OpMatch::Any => true,
            OpMatch::Only(op) => op == subject.op,
        };
        let same = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        op && same(&self.payment_method, subject.payment_method)
            && same(&self.payment_id, subject.payment_id)
    }
}

impl Fault {
    /// The name in rules and in the log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Delay { .. } => "delay",
            Self::Status { .. } => "status",
            Self::RateLimit { .. } => "rate_limit",
            Self::TimeoutBefore { .. } => "timeout_before",
            Self::TimeoutAfter { .. } => "timeout_after",
            Self::ResetBefore => "reset_before",
            Self::ResetAfter => "reset_after",
            Self::SearchEmpty => "search_empty",
            Self::WebhookDuplicate { .. } => "webhook_duplicate",
            Self::WebhookDelay { .. } => "webhook_delay",
            Self::WebhookEarly => "webhook_early",
            Self::WebhookOutOfOrder { .. } => "webhook_out_of_order",
            Self::WebhookForged => "webhook_forged",
            Self::WebhookStale { .. } => "webhook_stale",
            Self::WebhookNone => "webhook_none",
        }
    }

    pub(super) fn is_for_webhooks(&self) -> bool {
        self.name().starts_with("webhook_")
    }

    pub(super) fn suits(&self, op: Op) -> bool {
        *self != Self::SearchEmpty || op == Op::Search
    }

    fn wait_ms(&self) -> u64 {
        match self {
            Self::Delay { delay_ms }
            | Self::Status { delay_ms, .. }
            | Self::WebhookDelay { delay_ms } => *delay_ms,
            Self::TimeoutBefore { hang_ms } | Self::TimeoutAfter { hang_ms } => *hang_ms,
            Self::WebhookOutOfOrder { hold_ms } => *hold_ms,
            Self::RateLimit { .. }
            | Self::ResetBefore
            | Self::ResetAfter
            | Self::SearchEmpty
            | Self::WebhookDuplicate { .. }
            | Self::WebhookEarly
            | Self::WebhookForged
            | Self::WebhookStale { .. }
            | Self::WebhookNone => 0,
        }
    }
}

fn one_second() -> u64 {
    1
}

fn two_seconds() -> u64 {
    2_000
}

fn half_a_minute() -> u64 {
    30_000
}

fn ten_minutes() -> i64 {
    600
}
