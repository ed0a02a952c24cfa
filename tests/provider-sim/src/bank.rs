//! The provider's state and its rules. Deciding is pure: a command and the present state give a
//! decision; applying the journal entry made of it is the only way the state changes, so that a
//! restart walks the same path.

use std::collections::{BTreeSet, HashMap};

use crate::error::ApiError;
use crate::journal::{Entry, Move, MoveKind, Op, Outcome};
use crate::model::{Dispute, EventType, Intent, IntentStatus, Refund};

mod command;
mod disputes;
mod payments;
mod refunds;
mod search;

pub use command::NewDispute;
pub(crate) use command::{Command, Confirmation, NewIntent, NewRefund};
pub(crate) use search::Query;

/// Ids and time for what a decision creates.
#[derive(Debug)]
pub(crate) struct Mint<'a> {
    pub(crate) suffix: &'a str,
    pub(crate) now: i64,
}

/// What a command leads to.
#[derive(Debug)]
pub(crate) struct Decision {
    pub(crate) intent: Option<Intent>,
    pub(crate) refund: Option<Refund>,
    pub(crate) dispute: Option<Dispute>,
    pub(crate) amount: Option<i64>,
    pub(crate) moves: Vec<Move>,
    pub(crate) outcome: Outcome,
    pub(crate) error: Option<ApiError>,
    pub(crate) events: Vec<EventType>,
}

impl Decision {
    fn effect(intent: Intent) -> Self {
        Self {
            amount: Some(intent.amount),
            intent: Some(intent),
            refund: None,
            dispute: None,
            moves: Vec::new(),
            outcome: Outcome::Effect,
            error: None,
            events: Vec::new(),
        }
    }

    /// Nothing changes; the intent is shown with the error.
    fn refused(error: ApiError, intent: Option<&Intent>) -> Self {
        Self {
            intent: intent.cloned(),
            refund: None,
            dispute: None,
            amount: None,
            moves: Vec::new(),
            outcome: Outcome::Refused,
            error: Some(error),
            events: Vec::new(),
        }
    }

    fn moving(mut self, kind: MoveKind, amount: i64) -> Self {
        if amount > 0 {
            self.moves.push(Move { kind, amount });
        }
        self
    }

    fn telling(mut self, event: EventType) -> Self {
        self.events.push(event);
        self
    }
}

/// All intents, refunds and disputes.
#[derive(Debug, Default)]
pub(crate) struct Bank {
    intents: HashMap<String, Intent>,
    refunds: HashMap<String, Refund>,
    refunds_of: HashMap<String, Vec<String>>,
    disputes: HashMap<String, Dispute>,
    by_payment: HashMap<Box<str>, Vec<String>>,
    /// Oldest first: ids grow with the log's sequence.
    order: BTreeSet<(i64, String)>,
}

impl Bank {
    pub(crate) fn intent(&self, id: &str) -> Option<&Intent> {
        self.intents.get(id)
    }

    pub(crate) fn refund(&self, id: &str) -> Option<&Refund> {
        self.refunds.get(id)
    }

    pub(crate) fn dispute(&self, id: &str) -> Option<&Dispute> {
        self.disputes.get(id)
    }

    /// Newest first.
    pub(crate) fn refunds(&self, intent_id: &str) -> impl Iterator<Item = &Refund> {
        let ids = self
            .refunds_of
            .get(intent_id)
            .map(Vec::as_slice)
            .unwrap_or_default();
        ids.iter().rev().filter_map(|id| self.refunds.get(id))
    }

    /// Captures and refunds that have not ended yet.
    pub(crate) fn unsettled(&self) -> impl Iterator<Item = &str> {
        let intents = self
            .intents
            .values()
            .filter(|i| i.status == IntentStatus::Processing);
        let refunds = self.refunds.values().filter(|r| r.settles.is_some());
        intents
            .map(|i| i.id.as_str())
            .chain(refunds.map(|r| r.id.as_str()))
    }

    pub(crate) fn decide(&self, command: Command, mint: &Mint<'_>) -> Decision {
        match command {
            Command::Create(new) => payments::create(*new, mint),
            Command::Confirm { id, confirmation } => {
                self.on_intent(&id, |intent| payments::confirm(intent, confirmation))
            }
            Command::Capture { id, amount } => {
                self.on_intent(&id, |intent| payments::capture(intent, amount, mint))
            }
            Command::Cancel { id, reason } => {
                self.on_intent(&id, |intent| payments::cancel(intent, reason, mint))
            }
            Command::CompleteAction { id, result } => {
                self.on_intent(&id, |intent| payments::complete_action(intent, result))
            }
            Command::Refund(new) => match self.intents.get(&new.intent_id) {
                Some(intent) => refunds::create(intent, *new, mint),
                None => {
                    let id = &new.intent_id;
                    let error = ApiError::missing(400, "payment_intent", id, "payment_intent");
                    Decision::refused(error, None)
                }
            },
            Command::Settle { id } => self.settle(&id),
            Command::Dispute(new) => {
                let id = new.intent_id.clone();
                self.on_intent(&id, |intent| disputes::open(intent, *new, mint))
            }
            Command::GoOn { id, status } => match self.disputes.get(&id) {
                Some(dispute) => self.on_intent(&dispute.intent_id, |intent| {
                    disputes::go_on(intent, dispute, status, mint)
                }),
                None => Decision::refused(ApiError::missing(404, "dispute", &id, "dispute"), None),
            },
        }
    }

    fn on_intent(&self, id: &str, rule: impl FnOnce(&Intent) -> Decision) -> Decision {
        match self.intents.get(id) {
            Some(intent) => rule(intent),
            None => {
                let error = ApiError::missing(404, "payment_intent", id, "intent");
                Decision::refused(error, None)
            }
        }
    }

    fn settle(&self, id: &str) -> Decision {
        let refund = self.refunds.get(id);
        let owner = refund.map_or(id, |refund| refund.intent_id.as_str());
        self.on_intent(owner, |intent| match refund {
            Some(refund) => refunds::settle(intent, refund),
            None => payments::settle(intent),
        })
    }

    pub(crate) fn apply(&mut self, entry: &Entry) {
        if entry.op == Op::Reset {
            *self = Self::default();
            return;
        }
        if let Some(intent) = &entry.intent {
            self.keep_intent(intent);
        }
        if let Some(dispute) = &entry.dispute {
            self.disputes.insert(dispute.id.clone(), dispute.clone());
        }
        if let Some(refund) = &entry.refund
            && self
                .refunds
                .insert(refund.id.clone(), refund.clone())
                .is_none()
        {
            let ids = self.refunds_of.entry(refund.intent_id.clone()).or_default();
            ids.push(refund.id.clone());
        }
    }

    fn keep_intent(&mut self, intent: &Intent) {
        let known = self
            .intents
            .insert(intent.id.clone(), intent.clone())
            .is_some();
        if known {
            return;
        }
        self.order.insert((intent.created, intent.id.clone()));
        if let Some(payment) = intent.metadata.get("payment_id") {
            self.by_payment
                .entry(payment.into())
                .or_default()
                .push(intent.id.clone());
        }
    }
}
