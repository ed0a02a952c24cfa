//! A dispute: the customer objects to a payment at the bank, beside whatever we do with it.
//!
//! What the provider tells of it is a snapshot, and snapshots come early, late, often and in any
//! order. So they are merged, not applied: of the standings the most advanced and then the newest
//! counts, of the money the most that was ever told. Any order of the same snapshots ends the same.

use tradepost_types::{DisputeId, Money};

use super::ledger::{Entry, EntryKind};

/// Where a dispute stands. An inquiry asks and moves no money; it may become a chargeback, never
/// the other way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DisputeState {
    /// The bank asks, and waits for an answer.
    InquiryNeedsResponse,
    /// The bank asks, and looks at the answer.
    InquiryUnderReview,
    /// The bank asks no more.
    InquiryClosed,
    /// The bank took the money back and waits for evidence.
    NeedsResponse,
    /// The bank looks at the evidence.
    UnderReview,
    /// The money is ours.
    Won,
    /// The money is the customer's.
    Lost,
}

/// How far a dispute has come. News never lead back from a later stage to an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The bank asks.
    Inquiry,
    /// It asked, and no more.
    InquiryClosed,
    /// The money is with the bank.
    Chargeback,
    /// It is decided. A bank may think again, but never reopens it under the same name.
    Decided,
}

impl DisputeState {
    /// Every state, for tables; the later wins where the provider tells two in one second.
    pub const ALL: [Self; 7] = [
        Self::InquiryNeedsResponse,
        Self::InquiryUnderReview,
        Self::InquiryClosed,
        Self::NeedsResponse,
        Self::UnderReview,
        Self::Won,
        Self::Lost,
    ];

    /// How far the dispute has come.
    #[must_use]
    pub const fn stage(self) -> Stage {
        match self {
            Self::InquiryNeedsResponse | Self::InquiryUnderReview => Stage::Inquiry,
            Self::InquiryClosed => Stage::InquiryClosed,
            Self::NeedsResponse | Self::UnderReview => Stage::Chargeback,
            Self::Won | Self::Lost => Stage::Decided,
        }
    }

    /// The name that tables hold.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InquiryNeedsResponse => "inquiry_needs_response",
            Self::InquiryUnderReview => "inquiry_under_review",
            Self::InquiryClosed => "inquiry_closed",
            Self::NeedsResponse => "needs_response",
            Self::UnderReview => "under_review",
            Self::Won => "won",
            Self::Lost => "lost",
        }
    }

    /// The state of that name, if there is one.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

impl Stage {
    /// Whether nothing is awaited any more.
    #[must_use]
    pub const fn is_closed(self) -> bool {
        match self {
            Self::InquiryClosed | Self::Decided => true,
            Self::Inquiry | Self::Chargeback => false,
        }
    }
}

/// What the provider moved for a dispute so far, in minor units of the dispute's currency; each
/// figure only grows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Funds {
    /// Taken from us, without fees.
    pub withdrawn: i64,
    /// Given back to us of it.
    pub reinstated: i64,
    /// Charged for it.
    pub fee: i64,
    /// Returned of that.
    pub fee_returned: i64,
}

impl Funds {
    /// The most that either tells.
    const fn merged(self, other: Self) -> Self {
        Self {
            withdrawn: most(self.withdrawn, other.withdrawn),
            reinstated: most(self.reinstated, other.reinstated),
            fee: most(self.fee, other.fee),
            fee_returned: most(self.fee_returned, other.fee_returned),
        }
    }

    /// What the provider still keeps of ours, without fees.
    #[must_use]
    pub const fn withheld(self) -> i64 {
        most(self.withdrawn.saturating_sub(self.reinstated), 0)
    }
}

const fn most(one: i64, other: i64) -> i64 {
    if one > other { one } else { other }
}

/// A snapshot of a dispute, as a webhook brings it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisputeNews {
    /// The provider's name of it.
    pub reference: String,
    /// How much is disputed; above zero.
    pub amount: Money,
    /// Why, as a stable word.
    pub reason: String,
    /// Where it stood.
    pub state: DisputeState,
    /// When the provider said so, in seconds since 1970.
    pub told_at: i64,
    /// What had been moved.
    pub funds: Funds,
}

/// What everybody is told of a dispute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisputeReply {
    /// It is there, as an inquiry.
    Asked,
    /// It is there as a chargeback, at once or grown from an inquiry.
    Opened,
    /// It is closed, or closed otherwise than before.
    Closed,
}

/// A dispute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispute {
    /// Our id: derived, so that the same dispute always has the same.
    pub id: DisputeId,
    /// What is known of it.
    pub known: DisputeNews,
}

impl Dispute {
    /// A dispute that is heard of for the first time, what to tell and what to enter.
    #[must_use]
    pub fn open(id: DisputeId, news: DisputeNews) -> (Self, Vec<DisputeReply>, Vec<Entry>) {
        let dispute = Self { id, known: news };
        let replies = told(None, dispute.known.state);
        let entries = dispute.moved_since(Funds::default(), 0);
        (dispute, replies, entries)
    }

    /// Merges a snapshot. One in another currency contradicts the others and changes nothing.
    pub fn hear(&mut self, news: DisputeNews) -> (Vec<DisputeReply>, Vec<Entry>) {
        if news.amount.currency() != self.known.amount.currency() {
            return (Vec::new(), Vec::new());
        }
        let (state, funds, written_off) = (self.known.state, self.known.funds, self.written_off());
        let merged = funds.merged(news.funds);
        if standing(&news) > standing(&self.known) {
            self.known = news;
        }
        self.known.funds = merged;
        (
            told(Some(state), self.known.state),
            self.moved_since(funds, written_off),
        )
    }

    /// What of the payment cannot be refunded while it is not decided for good, in minor units: the
    /// disputed amount of an open chargeback, else what the provider still keeps.
    #[must_use]
    pub fn contested(&self) -> i64 {
        let withheld = self.known.funds.withheld();
        match self.known.state {
            DisputeState::NeedsResponse | DisputeState::UnderReview => {
                self.known.amount.minor_units().max(withheld)
            }
            DisputeState::InquiryNeedsResponse
            | DisputeState::InquiryUnderReview
            | DisputeState::InquiryClosed
            | DisputeState::Won => withheld,
            DisputeState::Lost => 0,
        }
    }

    /// What of the payment the customer has got back through the bank, in minor units.
    #[must_use]
    pub fn lost(&self) -> i64 {
        let Funds {
            withdrawn,
            reinstated,
            ..
        } = self.known.funds;
        match self.known.state {
            DisputeState::Lost => {
                let taken = self.known.amount.minor_units().max(withdrawn);
                taken.saturating_sub(reinstated).max(0)
            }
            DisputeState::InquiryNeedsResponse
            | DisputeState::InquiryUnderReview
            | DisputeState::InquiryClosed
            | DisputeState::NeedsResponse
            | DisputeState::UnderReview
            | DisputeState::Won => 0,
        }
    }

    /// What the ledger carries as lost, in minor units: what is withheld of a lost dispute.
    #[must_use]
    pub fn written_off(&self) -> i64 {
        if self.known.state == DisputeState::Lost {
            self.known.funds.withheld()
        } else {
            0
        }
    }

    /// The entries that lead from the older figures to the present ones.
    fn moved_since(&self, old: Funds, written_off: i64) -> Vec<Entry> {
        let new = self.known.funds;
        let loss = self.written_off().saturating_sub(written_off);
        [
            (EntryKind::DisputeWithdrawn, new.withdrawn - old.withdrawn),
            (EntryKind::DisputeFee, new.fee - old.fee),
            (
                EntryKind::DisputeReinstated,
                new.reinstated - old.reinstated,
            ),
            (
                EntryKind::DisputeFeeReturned,
                new.fee_returned - old.fee_returned,
            ),
            (EntryKind::DisputeLost, loss),
            (EntryKind::DisputeLossReversed, loss.saturating_neg()),
        ]
        .into_iter()
        .filter(|(_, units)| *units > 0)
        .map(|(kind, units)| Entry {
            kind,
            amount: Money::new(units, self.known.amount.currency()),
        })
        .collect()
    }
}

/// What of two snapshots counts: the later stage, then the later word of the provider. Within one
/// second the further state does, and of two amounts the larger: against us where in doubt.
fn standing(news: &DisputeNews) -> (Stage, i64, DisputeState, i64) {
    let units = news.amount.minor_units();
    (news.state.stage(), news.told_at, news.state, units)
}

/// What a change of state has told. A dispute that is first heard of when it is closed is told
/// whole: that it was there, and that it ended.
fn told(before: Option<DisputeState>, now: DisputeState) -> Vec<DisputeReply> {
    if before == Some(now) {
        return Vec::new();
    }
    let was = before.map(DisputeState::stage);
    let opened = match now.stage() {
        Stage::Inquiry | Stage::InquiryClosed => was.is_none().then_some(DisputeReply::Asked),
        Stage::Chargeback | Stage::Decided => {
            let known = was.is_some_and(|was| was >= Stage::Chargeback);
            (!known).then_some(DisputeReply::Opened)
        }
    };
    let closed = now.stage().is_closed().then_some(DisputeReply::Closed);
    opened.into_iter().chain(closed).collect()
}

#[cfg(test)]
mod tests;
