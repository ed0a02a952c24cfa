//! What can be asked of the bank.

use serde::Deserialize;

use crate::model::{CaptureMethod, DisputeStatus, Metadata};
use crate::simulator::ActionResult;

#[derive(Debug)]
pub(crate) enum Command {
    Create(Box<NewIntent>),
    Confirm {
        id: String,
        confirmation: Confirmation,
    },
    Capture {
        id: String,
        amount: Option<i64>,
    },
    Cancel {
        id: String,
        reason: Option<String>,
    },
    CompleteAction {
        id: String,
        result: ActionResult,
    },
    Refund(Box<NewRefund>),
    /// The end of a slow capture or refund.
    Settle {
        id: String,
    },
    /// A bank begins a dispute.
    Dispute(Box<NewDispute>),
    /// A bank goes on with one.
    GoOn {
        id: String,
        status: DisputeStatus,
    },
}

/// How an intent is to be paid.
#[derive(Debug, Clone)]
pub(crate) struct Confirmation {
    /// A payment-method token that the provider knows.
    pub(crate) method: Option<String>,
    /// The customer is not there, so an authentication is impossible.
    pub(crate) off_session: bool,
}

#[derive(Debug)]
pub(crate) struct NewIntent {
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) capture_method: CaptureMethod,
    pub(crate) confirm: bool,
    pub(crate) confirmation: Confirmation,
    pub(crate) description: Option<String>,
    pub(crate) metadata: Metadata,
}

#[derive(Debug)]
pub(crate) struct NewRefund {
    pub(crate) intent_id: String,
    pub(crate) amount: Option<i64>,
    pub(crate) reason: Option<String>,
    pub(crate) metadata: Metadata,
}

/// A dispute as a bank begins it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewDispute {
    /// The captured intent.
    pub intent_id: String,
    /// Minor units; all that was captured when absent.
    pub amount: Option<i64>,
    /// In Stripe's words; `fraudulent` when absent.
    pub reason: Option<String>,
    /// Only an inquiry: it takes no money.
    #[serde(default)]
    pub inquiry: bool,
    /// What a withdrawal costs, in minor units; nothing when absent.
    pub fee: Option<i64>,
}
