//! A refund: money given back from one payment, once.

use tradepost_types::{Money, RefundId};

use super::ledger::{Entry, EntryKind};

/// Where a refund stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefundState {
    /// The amount is set aside; the provider is being asked, under one key.
    Requested,
    /// The provider accepted it and has not finished.
    Submitted,
    /// The money went back, unless the bank returns it later.
    Succeeded,
    /// The provider refused, or the money came back; the amount can be refunded again.
    Failed,
    /// The provider may or may not have refunded; asked again under the same key.
    Unknown,
}

impl RefundState {
    /// Every state, for tables.
    pub const ALL: [Self; 5] = [
        Self::Requested,
        Self::Submitted,
        Self::Succeeded,
        Self::Failed,
        Self::Unknown,
    ];

    /// Whether the provider has to be called.
    #[must_use]
    pub const fn is_due(self) -> bool {
        match self {
            Self::Requested | Self::Submitted | Self::Unknown => true,
            Self::Succeeded | Self::Failed => false,
        }
    }

    /// The name that tables hold.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Submitted => "submitted",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }

    /// The state of that name, if there is one.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// What the provider says of a refund, from an answer or a webhook alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefundInput {
    /// Accepted, not finished.
    Pending,
    /// The money went back.
    Succeeded,
    /// Refused, at once or later.
    Failed {
        /// Why, as a stable word.
        reason: String,
    },
    /// No answer: it may or may not have happened.
    NoAnswer,
}

/// What the order is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefundReply {
    /// The money went back.
    Succeeded,
    /// The provider refused.
    Failed {
        /// Why.
        reason: String,
    },
}

/// A refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// Its id.
    pub id: RefundId,
    /// How much; above zero.
    pub amount: Money,
    /// Where it stands.
    pub state: RefundState,
    /// Why it failed.
    pub failure_reason: Option<String>,
}

impl Refund {
    /// A refund that was just asked for, and the entry that sets its amount aside.
    #[must_use]
    pub const fn request(id: RefundId, amount: Money) -> (Self, Entry) {
        let refund = Self {
            id,
            amount,
            state: RefundState::Requested,
            failure_reason: None,
        };
        (
            refund,
            Entry {
                kind: EntryKind::RefundSetAside,
                amount,
            },
        )
    }

    /// Takes what the provider says. A refund that succeeded can still fail, when the customer's bank
    /// sends the money back; a failed one stays failed, whatever older news arrives late.
    pub fn apply(&mut self, input: RefundInput) -> (Option<RefundReply>, Option<Entry>) {
        use RefundState as S;
        match (self.state, input) {
            (S::Requested | S::Submitted | S::Unknown, RefundInput::Pending) => {
                self.state = S::Submitted;
                (None, None)
            }
            (S::Requested | S::Unknown, RefundInput::NoAnswer) => {
                self.state = S::Unknown;
                (None, None)
            }
            (S::Requested | S::Submitted | S::Unknown, RefundInput::Succeeded) => {
                self.state = S::Succeeded;
                let paid = Entry {
                    kind: EntryKind::RefundPaid,
                    amount: self.amount,
                };
                (Some(RefundReply::Succeeded), Some(paid))
            }
            (S::Requested | S::Submitted | S::Unknown, RefundInput::Failed { reason }) => {
                self.state = S::Failed;
                self.failure_reason = Some(reason.clone());
                let back = Entry {
                    kind: EntryKind::RefundGivenBack,
                    amount: self.amount,
                };
                (Some(RefundReply::Failed { reason }), Some(back))
            }
            (S::Succeeded, RefundInput::Failed { reason }) => {
                self.state = S::Failed;
                self.failure_reason = Some(reason.clone());
                let reversed = Entry {
                    kind: EntryKind::RefundReversed,
                    amount: self.amount,
                };
                (Some(RefundReply::Failed { reason }), Some(reversed))
            }
            (S::Submitted | S::Succeeded | S::Failed, RefundInput::NoAnswer)
            | (S::Succeeded | S::Failed, RefundInput::Pending | RefundInput::Succeeded)
            | (S::Failed, RefundInput::Failed { .. }) => (None, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use tradepost_types::Currency;

    use super::*;

    fn refund(state: RefundState) -> Refund {
        let amount = Money::new(5, Currency::GBP);
        Refund {
            id: RefundId::new(),
            amount,
            state,
            failure_reason: None,
        }
    }

    fn inputs() -> [RefundInput; 4] {
        let reason = "expired_card".to_owned();
        [
            RefundInput::Pending,
            RefundInput::Succeeded,
            RefundInput::Failed { reason },
            RefundInput::NoAnswer,
        ]
    }

    #[test]
    fn a_refund_goes_where_the_table_says() {
        use RefundState as S;
        // From, then where Pending, Succeeded, Failed and NoAnswer lead.
        let table = [
            (
                S::Requested,
                [S::Submitted, S::Succeeded, S::Failed, S::Unknown],
            ),
            (
                S::Submitted,
                [S::Submitted, S::Succeeded, S::Failed, S::Submitted],
            ),
            (
                S::Unknown,
                [S::Submitted, S::Succeeded, S::Failed, S::Unknown],
            ),
            (
                S::Succeeded,
                [S::Succeeded, S::Succeeded, S::Failed, S::Succeeded],
            ),
            (S::Failed, [S::Failed; 4]),
        ];
        assert_eq!(table.len(), RefundState::ALL.len());
        for (from, targets) in table {
            for (input, target) in inputs().into_iter().zip(targets) {
                let mut refund = refund(from);

                let (reply, entry) = refund.apply(input.clone());

                assert_eq!(refund.state, target, "{from:?} on {input:?}");
                let ended = from != target && !target.is_due();
                assert_eq!((reply.is_some(), entry.is_some()), (ended, ended));
            }
        }
    }

    #[test]
    fn a_refund_that_fails_after_it_succeeded_is_reversed_once() {
        let mut refund = refund(RefundState::Succeeded);
        let reason = "lost_or_stolen_card".to_owned();
        let failed = RefundInput::Failed { reason };

        let (reply, entry) = refund.apply(failed.clone());

        let reversed = entry.map(|entry| entry.kind);
        assert_eq!(reversed, Some(EntryKind::RefundReversed));
        assert!(matches!(reply, Some(RefundReply::Failed { .. })));
        assert_eq!(refund.apply(failed), (None, None));
        assert_eq!(refund.apply(RefundInput::Succeeded), (None, None));
        assert_eq!(refund.state, RefundState::Failed);
    }

    #[test]
    fn what_was_set_aside_is_paid_or_given_back_once() {
        let (mut paid, aside) = Refund::request(RefundId::new(), Money::new(5, Currency::GBP));
        let mut failed = paid.clone();

        let (_, paid_entry) = paid.apply(RefundInput::Succeeded);
        let (_, back_entry) = failed.apply(RefundInput::Failed { reason: "x".into() });

        assert_eq!(aside.kind, EntryKind::RefundSetAside);
        assert_eq!(
            paid_entry.map(|entry| entry.kind),
            Some(EntryKind::RefundPaid)
        );
        assert_eq!(
            back_entry.map(|entry| entry.kind),
            Some(EntryKind::RefundGivenBack)
        );
    }
}
