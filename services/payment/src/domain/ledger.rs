//! Journal entries in double entry: the postings of an entry sum to zero.
//!
//! Debits are positive, credits negative. A hold is a memo entry: it is made before the provider
//! is asked and taken back when nothing is held any more. A refund's amount is set aside before
//! the provider is asked. What the provider withdraws for a dispute stays on an account of its own
//! until the dispute is decided.

use tradepost_types::{Money, MoneyError};

/// An account of the chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Account {
    /// Memo: money held, or asked to be held, on cards.
    AuthorizationsHeld,
    /// Memo: the other side of the holds.
    AuthorizationsContra,
    /// What the provider owes us.
    ProviderReceivable,
    /// What was sold.
    MerchantRevenue,
    /// What is set aside for refunds that are not finished.
    RefundsPending,
    /// What the provider withdrew for disputes that are not lost.
    DisputesWithheld,
    /// What was lost in disputes.
    DisputeLosses,
    /// What disputes cost besides.
    DisputeFees,
}

impl Account {
    /// The name that tables and callers see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AuthorizationsHeld => "authorizations_held",
            Self::AuthorizationsContra => "authorizations_contra",
            Self::ProviderReceivable => "provider_receivable",
            Self::MerchantRevenue => "merchant_revenue",
            Self::RefundsPending => "refunds_pending",
            Self::DisputesWithheld => "disputes_withheld",
            Self::DisputeLosses => "dispute_losses",
            Self::DisputeFees => "dispute_fees",
        }
    }
}

/// What an entry records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// Money is to be held on the card.
    Hold,
    /// It is held no more, or never was.
    Release,
    /// Money was taken.
    Capture,
    /// Money is set aside to be given back.
    RefundSetAside,
    /// It was given back.
    RefundPaid,
    /// It could not be given back and is revenue again.
    RefundGivenBack,
    /// It had been given back and came back to us: the refund failed after it had succeeded.
    RefundReversed,
    /// The provider took money back from us for a dispute.
    DisputeWithdrawn,
    /// It charged a fee for it.
    DisputeFee,
    /// It gave the money back.
    DisputeReinstated,
    /// It returned the fee.
    DisputeFeeReturned,
    /// The dispute is lost, and the money with it.
    DisputeLost,
    /// It is not lost after all, or less of it is.
    DisputeLossReversed,
}

impl EntryKind {
    /// Every kind, for tables.
    pub const ALL: [Self; 13] = [
        Self::Hold,
        Self::Release,
        Self::Capture,
        Self::RefundSetAside,
        Self::RefundPaid,
        Self::RefundGivenBack,
        Self::RefundReversed,
        Self::DisputeWithdrawn,
        Self::DisputeFee,
        Self::DisputeReinstated,
        Self::DisputeFeeReturned,
        Self::DisputeLost,
        Self::DisputeLossReversed,
    ];

    /// The name that tables and callers see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Release => "release",
            Self::Capture => "capture",
            Self::RefundSetAside => "refund_set_aside",
            Self::RefundPaid => "refund_paid",
            Self::RefundGivenBack => "refund_given_back",
            Self::RefundReversed => "refund_reversed",
            Self::DisputeWithdrawn => "dispute_withdrawn",
            Self::DisputeFee => "dispute_fee",
            Self::DisputeReinstated => "dispute_reinstated",
            Self::DisputeFeeReturned => "dispute_fee_returned",
            Self::DisputeLost => "dispute_lost",
            Self::DisputeLossReversed => "dispute_loss_reversed",
        }
    }

    /// The account that is debited and the one that is credited.
    const fn accounts(self) -> (Account, Account) {
        match self {
            Self::Hold => (Account::AuthorizationsHeld, Account::AuthorizationsContra),
            Self::Release => (Account::AuthorizationsContra, Account::AuthorizationsHeld),
            Self::Capture => (Account::ProviderReceivable, Account::MerchantRevenue),
            Self::RefundSetAside => (Account::MerchantRevenue, Account::RefundsPending),
            Self::RefundPaid => (Account::RefundsPending, Account::ProviderReceivable),
            Self::RefundGivenBack => (Account::RefundsPending, Account::MerchantRevenue),
            Self::RefundReversed => (Account::ProviderReceivable, Account::MerchantRevenue),
            Self::DisputeWithdrawn => (Account::DisputesWithheld, Account::ProviderReceivable),
            Self::DisputeFee => (Account::DisputeFees, Account::ProviderReceivable),
            Self::DisputeReinstated => (Account::ProviderReceivable, Account::DisputesWithheld),
            Self::DisputeFeeReturned => (Account::ProviderReceivable, Account::DisputeFees),
            Self::DisputeLost => (Account::DisputeLosses, Account::DisputesWithheld),
            Self::DisputeLossReversed => (Account::DisputesWithheld, Account::DisputeLosses),
        }
    }
}

/// One side of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posting {
    /// The account.
    pub account: Account,
    /// The signed amount.
    pub amount: Money,
}

/// A journal entry of an amount above zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// What it records.
    pub kind: EntryKind,
    /// How much.
    pub amount: Money,
}

impl Entry {
    /// The two postings; they sum to zero.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] for the one amount that has no negative.
    pub fn postings(self) -> Result<[Posting; 2], MoneyError> {
        let (debit, credit) = self.kind.accounts();
        let negative = Money::zero(self.amount.currency()).checked_sub(self.amount)?;
        Ok([
            Posting {
                account: debit,
                amount: self.amount,
            },
            Posting {
                account: credit,
                amount: negative,
            },
        ])
    }
}

#[cfg(test)]
mod tests {
    use tradepost_types::Currency;

    use super::*;

    #[test]
    fn the_postings_of_every_kind_sum_to_zero_on_two_accounts() {
        for kind in EntryKind::ALL {
            let entry = Entry {
                kind,
                amount: Money::new(7, Currency::GBP),
            };

            let [debit, credit] = entry.postings().unwrap();

            assert_eq!(
                debit.amount.checked_add(credit.amount),
                Ok(Money::zero(Currency::GBP))
            );
            assert_ne!(debit.account, credit.account);
        }
    }
}
