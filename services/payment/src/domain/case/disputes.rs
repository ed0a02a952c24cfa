//! Disputes beside refunds: what the bank holds or has given away cannot be refunded.

use tradepost_types::{DisputeId, Money};

use super::{Case, Effects, Part, RefundRefusal, Told, void_failed};
use crate::domain::dispute::{Dispute, DisputeNews};

/// Why a void fails that was answered: a lost dispute turned out to be won.
const WON_LATER: &str = "DISPUTE_WON";

impl Case {
    /// Takes what the provider says of a dispute, whatever the payment's state: the bank does not
    /// ask for it. It moves no refund by itself.
    pub fn take_dispute(&mut self, news: DisputeNews) -> Effects {
        let id = DisputeId::derive(self.id.as_uuid(), &news.reference);
        let (index, replies, entries) = match self.disputes.iter().position(|known| known.id == id)
        {
            Some(index) => {
                let heard = self.disputes.get_mut(index).map(|known| known.hear(news));
                let (replies, entries) = heard.unwrap_or_default();
                (index, replies, entries)
            }
            None => {
                let (dispute, replies, entries) = Dispute::open(id, news);
                self.disputes.push(dispute);
                (self.disputes.len().saturating_sub(1), replies, entries)
            }
        };
        let mut effects = Effects::default();
        if let Some(dispute) = self.disputes.get(index) {
            let told = replies.into_iter();
            effects.told = told
                .map(|reply| Told::Dispute(Box::new(dispute.clone()), reply))
                .collect();
        }
        let part = Some(Part::Dispute(id));
        effects.entries = entries.into_iter().map(|entry| (entry, part)).collect();
        self.count_disputes();
        if self.payment.fully_refunded && !self.payment.is_gone() {
            self.payment.fully_refunded = false;
            if self.payment.void_requested {
                effects.join(void_failed(WON_LATER));
            }
        }
        effects
    }

    /// Brings what follows from the disputes up to date; also for a case that was just loaded.
    pub fn count_disputes(&mut self) {
        let currency = self.payment.amount.currency();
        let lost = self.sum_of(Dispute::lost);
        self.payment.lost = Money::new(lost, currency);
    }

    /// What a refund may take of `left`, in minor units.
    pub(super) fn free_of(&self, left: Money) -> i64 {
        let barred = self.sum_of(|dispute| dispute.contested().saturating_add(dispute.lost()));
        left.minor_units().saturating_sub(barred).max(0)
    }

    /// A refund of all there is: not while any of it is contested, for then nobody can say how much
    /// that is.
    pub(super) fn all_that_is_free(&self, left: Money) -> Result<Money, RefundRefusal> {
        let free = self.free_of(left);
        let contested = self.sum_of(Dispute::contested) > 0;
        match (left.is_positive(), contested || free == 0) {
            (false, _) => Err(RefundRefusal::ExceedsCaptured),
            (true, true) => Err(RefundRefusal::Disputed),
            (true, false) => Ok(Money::new(free, left.currency())),
        }
    }

    /// A sum over the disputes, in minor units of the payment's currency. What is disputed in another
    /// currency counts as all that was captured: nobody can say how much of it is meant.
    fn sum_of(&self, figure: impl Fn(&Dispute) -> i64) -> i64 {
        let ours = self.payment.captured;
        self.disputes.iter().fold(0_i64, |sum, dispute| {
            let units = figure(dispute);
            let same = dispute.known.amount.currency() == ours.currency();
            let units = if same || units == 0 {
                units
            } else {
                ours.minor_units()
            };
            sum.saturating_add(units)
        })
    }
}
