//! Random stories of a payment with its refunds: whatever is answered, lost, repeated, late or sent
//! back, the books say what the provider did.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Case, Effects, Input, Origin, Reply, Told, gbp};
use crate::domain::pretend::Provider;
use crate::domain::{Dispute, DisputeNews, DisputeState, Observation, RefundInput, RefundState};
use tradepost_types::{OrderId, PaymentId, RefundId, TenantId};

/// One thing that happens.
#[derive(Debug, Clone)]
enum Step {
    Command(u8),
    Refund(Option<i64>, bool),
    Call {
        answered: bool,
        reached: bool,
        declines: bool,
    },
    RefundCall {
        which: prop::sample::Index,
        answered: bool,
        reached: bool,
        end: u8,
    },
    Webhook,
    RefundWebhook(prop::sample::Index),
    /// A webhook of long ago is delivered.
    Late(prop::sample::Index),
    Bounce(prop::sample::Index),
    /// The bank begins a dispute, and its webhook comes at once or later.
    Dispute(i64, bool, bool),
    /// The bank goes on with a dispute, as above; perhaps within the same second.
    GoOn(prop::sample::Index, usize, bool, i64),
    /// A webhook about a dispute is delivered, late or again.
    LateDispute(prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    let which = any::<prop::sample::Index>;
    prop_oneof![
        3 => (0_u8..4).prop_map(Step::Command),
        3 => (prop::option::of(-1_i64..110), any::<bool>())
            .prop_map(|(units, command)| Step::Refund(units, command)),
        4 => (any::<bool>(), any::<bool>(), prop::bool::weighted(0.1)).prop_map(
            |(answered, reached, declines)| Step::Call { answered, reached, declines }
        ),
        4 => (which(), any::<bool>(), any::<bool>(), 0_u8..4).prop_map(
            |(which, answered, reached, end)| Step::RefundCall { which, answered, reached, end }
        ),
        1 => Just(Step::Webhook),
        1 => which().prop_map(Step::RefundWebhook),
        1 => which().prop_map(Step::Late),
        1 => which().prop_map(Step::Bounce),
    ]
}

fn disputed_step() -> impl Strategy<Value = Step> {
    let which = any::<prop::sample::Index>;
    prop_oneof![
        // So that there is something to dispute.
        6 => Just(Step::Call { answered: true, reached: true, declines: false }),
        4 => step(),
        2 => Just(Step::Command(1)),
        2 => (1_i64..=100, prop::bool::weighted(0.3), any::<bool>())
            .prop_map(|(units, inquiry, heard)| Step::Dispute(units, inquiry, heard)),
        4 => (which(), 0_usize..7, any::<bool>(), 0_i64..2)
            .prop_map(|(which, to, heard, seconds)| Step::GoOn(which, to, heard, seconds)),
        3 => which().prop_map(Step::LateDispute),
    ]
}

struct Story {
    case: Case,
    provider: Provider,
    books: BTreeMap<&'static str, i64>,
    told: Vec<Told>,
    /// What webhooks said of refunds; any of it may be delivered again.
    said: Vec<(RefundId, RefundInput)>,
    /// The same of disputes.
    snapshots: Vec<DisputeNews>,
}

impl Story {
    fn new() -> Self {
        let (tenant, id, order) = (TenantId::new(), PaymentId::new(), OrderId::new());
        let (case, effects) = Case::open(tenant, id, order, gbp(100));
        let mut story = Self {
            case,
            provider: Provider::default(),
            books: BTreeMap::new(),
            told: Vec::new(),
            said: Vec::new(),
            snapshots: Vec::new(),
        };
        story.note(effects);
        story
    }

    fn note(&mut self, effects: Effects) {
        for (entry, _) in effects.entries {
            for posting in entry.postings().unwrap() {
                let balance = self.books.entry(posting.account.name()).or_default();
                *balance += posting.amount.minor_units();
            }
        }
        self.told.extend(effects.told);
    }

    fn take(&mut self, input: Input) {
        let effects = self.case.take(input);
        self.note(effects);
    }

    fn take_refund(&mut self, id: RefundId, input: RefundInput) {
        let effects = self.case.take_refund(id, input);
        self.note(effects);
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Command(0) => self.take(Input::Authorize),
            Step::Command(1) => self.take(Input::Capture(None)),
            Step::Command(2) => self.take(Input::Capture(Some(gbp(40)))),
            Step::Command(_) => self.take(Input::Void),
            Step::Refund(units, command) => self.ask_refund(units, command),
            Step::Call {
                answered,
                reached,
                declines,
            } => self.call(answered, reached, declines),
            Step::RefundCall {
                which,
                answered,
                reached,
                end,
            } => {
                let end = end_of(end);
                if let Some(id) = self.refund_at(which) {
                    self.call_refund(id, answered, reached, &end);
                }
            }
            Step::Webhook => {
                if !self.provider.fresh() {
                    let view = self.provider.view();
                    self.take(Input::Observed(view));
                }
            }
            Step::RefundWebhook(which) => {
                if let Some(id) = self.refund_at(which) {
                    self.hear(id);
                }
            }
            Step::Late(which) => {
                if !self.said.is_empty() {
                    let (id, input) = which.get(&self.said).clone();
                    self.take_refund(id, input);
                }
            }
            Step::Bounce(which) => {
                if let Some(id) = self.refund_at(which)
                    && self.provider.knows(id)
                {
                    self.provider.bounce(id);
                    self.hear(id);
                }
            }
            Step::Dispute(units, inquiry, heard) => {
                let news = self.provider.dispute(units, inquiry);
                self.snapshot(news, heard);
            }
            Step::GoOn(which, to, heard, seconds) => {
                if !self.provider.disputes.is_empty() {
                    let at = which.index(self.provider.disputes.len());
                    let to = DisputeState::ALL[to];
                    let news = self.provider.go_on(at, to, seconds);
                    self.snapshot(news, heard);
                }
            }
            Step::LateDispute(which) => {
                if !self.snapshots.is_empty() {
                    let news = which.get(&self.snapshots).clone();
                    self.take_dispute(news);
                }
            }
        }
    }

    fn snapshot(&mut self, news: Option<DisputeNews>, heard: bool) {
        let Some(news) = news else { return };
        self.snapshots.push(news.clone());
        if heard {
            self.take_dispute(news);
        }
    }

    fn take_dispute(&mut self, news: DisputeNews) {
        let before = self.case.payment.refunded;
        let effects = self.case.take_dispute(news);
        assert_eq!(
            self.case.payment.refunded, before,
            "a dispute moves no refund"
        );
        self.note(effects);
    }

    /// What the disputes leave to be refunded, by what was told of them.
    fn free(&self) -> i64 {
        let payment = &self.case.payment;
        let barred = self.case.disputes.iter().map(|dispute| {
            let (known, funds) = (&dispute.known, dispute.known.funds);
            match known.state {
                DisputeState::NeedsResponse | DisputeState::UnderReview => {
                    known.amount.minor_units()
                }
                DisputeState::Lost => (known.amount.minor_units() - funds.reinstated).max(0),
                DisputeState::InquiryNeedsResponse
                | DisputeState::InquiryUnderReview
                | DisputeState::InquiryClosed
                | DisputeState::Won => (funds.withdrawn - funds.reinstated).max(0),
            }
        });
        let left = payment.captured.minor_units() - payment.refunded.minor_units();
        left - barred.sum::<i64>()
    }

    fn refund_at(&self, which: prop::sample::Index) -> Option<RefundId> {
        let made = &self.case.refunds;
        (!made.is_empty()).then(|| which.get(made).refund.id)
    }

    fn ask_refund(&mut self, units: Option<i64>, command: bool) {
        let origin = if command {
            Origin::Command
        } else {
            Origin::Request
        };
        let free = self.free();
        let asked = self
            .case
            .request_refund(RefundId::new(), units.map(gbp), origin);
        if let Ok(effects) = asked {
            let aside = effects.entries[0].0.amount.minor_units();
            assert!(aside <= free, "{aside} of {free}: {:?}", self.case);
            self.note(effects);
        }
    }

    fn call(&mut self, answered: bool, reached: bool, declines: bool) {
        let Some(call) = self.case.payment.state.due_call() else {
            return;
        };
        let mut news = Input::NoAnswer;
        if reached {
            let view = self.provider.call(call, &self.case.payment, declines);
            if answered {
                news = Input::Observed(view);
            }
        }
        self.take(news);
    }

    fn call_refund(&mut self, id: RefundId, answered: bool, reached: bool, end: &RefundInput) {
        let made = self.case.refunds.iter().find(|made| made.refund.id == id);
        let Some(made) = made.filter(|made| made.refund.state.is_due()) else {
            return;
        };
        let amount = made.refund.amount;
        let mut news = RefundInput::NoAnswer;
        if reached {
            let view = self.provider.refund(id, amount, end);
            self.said.push((id, view.clone()));
            if answered {
                news = view;
            }
        }
        self.take_refund(id, news);
    }

    fn hear(&mut self, id: RefundId) {
        if self.provider.knows(id) {
            let view = self.provider.refund_view(id);
            self.said.push((id, view.clone()));
            self.take_refund(id, view);
        }
    }

    fn balance(&self, account: &str) -> i64 {
        self.books.get(account).copied().unwrap_or_default()
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let payment = &self.case.payment;
        let (captured, refunded) = (
            payment.captured.minor_units(),
            payment.refunded.minor_units(),
        );
        let sum_of = |wanted: &[RefundState]| -> i64 {
            let made = self.case.refunds.iter().map(|made| &made.refund);
            let made = made.filter(|made| wanted.contains(&made.state));
            made.map(|made| made.amount.minor_units()).sum()
        };
        let due = [
            RefundState::Requested,
            RefundState::Submitted,
            RefundState::Unknown,
        ];
        let (pending, paid) = (sum_of(&due), sum_of(&[RefundState::Succeeded]));
        prop_assert!(0 <= refunded && refunded <= captured && captured <= 100);
        prop_assert_eq!(refunded, pending + paid);
        prop_assert_eq!(self.books.values().sum::<i64>(), 0);
        let sum =
            |figure: fn(&Dispute) -> i64| -> i64 { self.case.disputes.iter().map(figure).sum() };
        let withheld =
            sum(|dispute| dispute.known.funds.withdrawn - dispute.known.funds.reinstated);
        let fees = sum(|dispute| dispute.known.funds.fee - dispute.known.funds.fee_returned);
        let losses = sum(Dispute::written_off);
        prop_assert_eq!(
            self.balance("provider_receivable"),
            captured - paid - withheld - fees
        );
        prop_assert_eq!(self.balance("disputes_withheld"), withheld - losses);
        prop_assert_eq!(self.balance("dispute_losses"), losses);
        prop_assert_eq!(self.balance("dispute_fees"), fees);
        prop_assert_eq!(payment.lost.minor_units(), sum(Dispute::lost));
        prop_assert_eq!(self.balance("refunds_pending"), -pending);
        prop_assert_eq!(self.balance("merchant_revenue"), refunded - captured);
        let held = if payment.state.holds() { 100 } else { 0 };
        prop_assert_eq!(self.balance("authorizations_held"), held);
        prop_assert!(self.provider.authorizations <= 1 && self.provider.captures <= 1);
        Ok(())
    }

    /// Everything that is due is called and answered, until nothing is.
    fn settle(&mut self) {
        for _ in 0..200 {
            self.call(true, true, false);
            let due = self.case.refunds.iter();
            let due = due.filter(|made| made.refund.state.is_due());
            let due: Vec<RefundId> = due.map(|made| made.refund.id).collect();
            if due.is_empty() && !self.case.is_due() {
                return;
            }
            for id in due {
                self.call_refund(id, true, true, &RefundInput::Succeeded);
            }
        }
        panic!("it never comes to rest: {:?}", self.case);
    }
}

fn end_of(number: u8) -> RefundInput {
    match number {
        0 => RefundInput::Failed {
            reason: "NO".into(),
        },
        1 => RefundInput::Pending,
        _ => RefundInput::Succeeded,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn whatever_happens_the_books_agree_and_no_more_is_given_back_than_taken(
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let mut story = Story::new();
        for step in steps {
            story.step(step);
            story.check()?;
        }
    }

    #[test]
    fn at_rest_the_books_say_what_the_provider_kept(
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let mut story = Story::new();
        for step in steps {
            story.step(step);
        }

        story.settle();

        story.check()?;
        prop_assert_eq!(story.balance("provider_receivable"), story.provider.net());
        prop_assert_eq!(story.balance("refunds_pending"), 0);
    }

    #[test]
    fn e02_whoever_voids_is_told_once_nothing_is_kept_or_that_it_failed(
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let mut story = Story::new();
        for step in steps {
            story.step(step);
        }
        story.settle();

        story.told.clear();
        story.take(Input::Void);
        story.settle();

        story.check()?;
        prop_assert_eq!(story.provider.net(), 0);
        prop_assert!(!story.provider.held);
        prop_assert_eq!(story.told.last(), Some(&Told::Payment(Reply::Voided)));
        let answers = story.told.iter().filter(|told| {
            matches!(told, Told::Payment(Reply::Voided))
        });
        prop_assert_eq!(answers.count(), 1);
    }

    #[test]
    fn whatever_banks_dispute_the_books_agree_and_no_more_is_given_back_than_is_ours(
        steps in prop::collection::vec(disputed_step(), 0..60),
    ) {
        let mut story = Story::new();
        for step in steps {
            story.step(step);
            story.check()?;
        }

        story.settle();
        for news in story.snapshots.clone().into_iter().rev() {
            story.take_dispute(news);
        }

        story.check()?;
        let kept = story.provider.kept() - story.provider.fees();
        prop_assert_eq!(story.balance("provider_receivable"), kept);
        for (known, theirs) in story.case.disputes.iter().map(|ours| {
            let same = |theirs: &&DisputeNews| theirs.reference == ours.known.reference;
            (&ours.known, story.provider.disputes.iter().find(same).unwrap())
        }) {
            prop_assert_eq!(known.funds, theirs.funds);
            prop_assert_eq!(known.state.stage(), theirs.state.stage());
        }
    }

    #[test]
    fn a_void_beside_disputes_is_answered_that_nothing_is_kept_or_that_it_is_disputed(
        steps in prop::collection::vec(disputed_step(), 0..60),
    ) {
        let mut story = Story::new();
        for step in steps {
            story.step(step);
        }
        story.settle();
        for news in story.snapshots.clone() {
            story.take_dispute(news);
        }
        story.settle();

        story.told.clear();
        story.take(Input::Void);
        story.settle();

        story.check()?;
        let reason = "PAYMENT_DISPUTED".to_owned();
        if story.case.disputes.iter().any(|dispute| dispute.contested() > 0)
            && !story.case.payment.is_gone()
        {
            let refused = Told::Payment(Reply::VoidFailed { reason });
            prop_assert_eq!(&story.told, &[refused]);
        } else {
            prop_assert_eq!(story.told.last(), Some(&Told::Payment(Reply::Voided)));
            prop_assert!(story.case.payment.is_gone());
        }
    }
}

#[test]
fn a_late_hold_after_a_void_that_came_first_is_let_go_and_answered() {
    let mut story = Story::new();
    story.take(Input::Observed(Observation::Canceled));
    story.take(Input::Void);

    story.take(Input::Observed(Observation::Held(gbp(100))));
    story.take(Input::Observed(Observation::Canceled));

    story.check().unwrap();
    assert_eq!(story.told.last(), Some(&Told::Payment(Reply::Voided)));
}
