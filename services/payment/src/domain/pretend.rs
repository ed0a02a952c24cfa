//! A provider for tests, which remembers what it really did.

use std::collections::BTreeMap;

use tradepost_types::{Money, RefundId};

use super::{Call, DisputeNews, DisputeState, Funds, Observation, Payment, RefundInput, Stage};

/// What the provider really did, as its own log would tell.
#[derive(Debug, Default)]
pub(super) struct Provider {
    pub(super) held: bool,
    amount: Option<Money>,
    pub(super) taken: Option<Money>,
    canceled: bool,
    declined: bool,
    pub(super) authorizations: u32,
    pub(super) captures: u32,
    /// By our id: a repeated request finds the refund that is there.
    refunds: BTreeMap<RefundId, (Money, Given)>,
    /// As they are now.
    pub(super) disputes: Vec<DisputeNews>,
    /// Grows with every change of a dispute, but not always: news may be of one second.
    clock: i64,
}

/// Where a refund stands at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Given {
    Pending,
    Back,
    /// Refused, or sent back by the customer's bank.
    Failed,
}

impl Provider {
    pub(super) fn call(&mut self, call: Call, payment: &Payment, declines: bool) -> Observation {
        match call {
            Call::Authorize if self.fresh() && declines => self.declined = true,
            Call::Authorize if self.fresh() => {
                self.held = true;
                self.amount = Some(payment.amount);
                self.authorizations += 1;
            }
            Call::Capture if self.held => {
                self.held = false;
                self.taken = payment.capture_amount;
                self.captures += 1;
            }
            Call::Cancel if self.taken.is_none() && !self.fresh() => {
                self.held = false;
                self.canceled = true;
            }
            Call::Authorize | Call::Capture | Call::Cancel | Call::Ask => {}
        }
        self.view()
    }

    /// Nothing was ever asked of it.
    pub(super) fn fresh(&self) -> bool {
        !self.held && self.taken.is_none() && !self.canceled && !self.declined
    }

    /// What it says of the intent.
    pub(super) fn view(&self) -> Observation {
        match (self.held, self.taken) {
            (_, Some(amount)) => Observation::Taken(amount),
            (true, None) => self.amount.map_or(Observation::Absent, Observation::Held),
            (false, None) if self.canceled => Observation::Canceled,
            (false, None) if self.declined => Observation::Declined {
                reason: "NO".into(),
            },
            (false, None) => Observation::Absent,
        }
    }

    /// Makes a refund, or finds the one it made.
    pub(super) fn refund(&mut self, id: RefundId, amount: Money, end: &RefundInput) -> RefundInput {
        let given = match end {
            _ if !self.refunds.contains_key(&id) && amount.minor_units() > self.kept() => {
                Given::Failed
            }
            RefundInput::Pending | RefundInput::NoAnswer => Given::Pending,
            RefundInput::Succeeded => Given::Back,
            RefundInput::Failed { .. } => Given::Failed,
        };
        let made = self.refunds.entry(id).or_insert((amount, given));
        if made.1 == Given::Pending {
            made.1 = given;
        }
        assert!(self.kept() >= 0, "more is given back than is ours");
        self.refund_view(id)
    }

    /// The customer's bank sends a refund back.
    pub(super) fn bounce(&mut self, id: RefundId) {
        if let Some(made) = self.refunds.get_mut(&id) {
            made.1 = Given::Failed;
        }
    }

    /// Whether it knows the refund.
    pub(super) fn knows(&self, id: RefundId) -> bool {
        self.refunds.contains_key(&id)
    }

    /// What it says of a refund that it knows.
    pub(super) fn refund_view(&self, id: RefundId) -> RefundInput {
        match self.refunds[&id].1 {
            Given::Pending => RefundInput::Pending,
            Given::Back => RefundInput::Succeeded,
            Given::Failed => RefundInput::Failed {
                reason: "BANK".into(),
            },
        }
    }

    /// The bank begins a dispute of as much, if there is still as much; its news.
    pub(super) fn dispute(&mut self, units: i64, inquiry: bool) -> Option<DisputeNews> {
        let amount = Money::new(units, self.taken?.currency());
        if units > self.kept() {
            return None;
        }
        let (state, withdrawn, fee) = if inquiry {
            (DisputeState::InquiryNeedsResponse, 0, 0)
        } else {
            (DisputeState::NeedsResponse, units, 15)
        };
        self.clock += 1;
        let news = DisputeNews {
            reference: format!("dp_{}", self.disputes.len()),
            amount,
            reason: "GENERAL".into(),
            state,
            told_at: self.clock,
            funds: Funds {
                withdrawn,
                fee,
                ..Funds::default()
            },
        };
        self.disputes.push(news.clone());
        Some(news)
    }

    /// The bank goes on with a dispute, if it can go there; its news.
    pub(super) fn go_on(
        &mut self,
        at: usize,
        state: DisputeState,
        seconds: i64,
    ) -> Option<DisputeNews> {
        let free = self.kept();
        let dispute = self.disputes.get_mut(at)?;
        if state.stage() < dispute.state.stage() || state == dispute.state {
            return None;
        }
        let units = dispute.amount.minor_units();
        // The bank takes the money when the chargeback begins, or again when it thinks again.
        let takes = match (dispute.state.stage(), state) {
            (Stage::Inquiry | Stage::InquiryClosed, to) => to.stage() >= Stage::Chargeback,
            (Stage::Decided, DisputeState::Lost) => true,
            _ => false,
        };
        if takes && units > free {
            return None;
        }
        if takes {
            dispute.funds.withdrawn += units;
            dispute.funds.fee += 15;
        }
        if state == DisputeState::Won {
            dispute.funds.reinstated += units;
            dispute.funds.fee_returned += 15;
        }
        dispute.state = state;
        self.clock += seconds;
        dispute.told_at = self.clock;
        Some(dispute.clone())
    }

    /// What was taken less what went back, is on its way, or is with a bank.
    pub(super) fn kept(&self) -> i64 {
        let withheld = self.disputes.iter().map(|known| known.funds.withheld());
        self.net() - withheld.sum::<i64>()
    }

    /// What disputes cost besides.
    pub(super) fn fees(&self) -> i64 {
        let fees = self.disputes.iter().map(|known| known.funds);
        fees.map(|funds| funds.fee - funds.fee_returned).sum()
    }

    /// What was taken less what went back or is on its way.
    pub(super) fn net(&self) -> i64 {
        let gone = self.refunds.values().filter(|made| made.1 != Given::Failed);
        let gone: i64 = gone.map(|made| made.0.minor_units()).sum();
        self.taken.map_or(0, Money::minor_units) - gone
    }
}
