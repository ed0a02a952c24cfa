//! Random stories of one payment with a provider that answers, hangs, repeats itself and lies low.

use proptest::prelude::*;

use super::{EntryKind, Input, Payment, Reply, State, gbp};
use crate::domain::pretend::Provider;

/// One thing that happens in a random story.
#[derive(Debug, Clone, Copy)]
enum Step {
    Command(u8),
    Call {
        answered: bool,
        reached: bool,
        declines: bool,
    },
    Webhook,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0_u8..4).prop_map(Step::Command),
        (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(answered, reached, declines)| {
            Step::Call {
                answered,
                reached,
                declines,
            }
        }),
        Just(Step::Webhook),
    ]
}

/// A payment with the provider it talks to and the books it keeps.
struct Story {
    payment: Payment,
    provider: Provider,
    held_in_books: i64,
    captured_in_books: i64,
    voided_replies: u32,
}

impl Story {
    fn new() -> Self {
        let (payment, hold) = Payment::start(gbp(100));
        Self {
            payment,
            provider: Provider::default(),
            held_in_books: hold.amount.minor_units(),
            captured_in_books: 0,
            voided_replies: 0,
        }
    }

    fn apply(&mut self, input: Input) {
        let transition = self.payment.apply(input);
        for entry in transition.entries {
            let units = entry.amount.minor_units();
            match entry.kind {
                EntryKind::Hold => self.held_in_books += units,
                EntryKind::Release => self.held_in_books -= units,
                EntryKind::Capture => self.captured_in_books += units,
                EntryKind::RefundSetAside
                | EntryKind::RefundPaid
                | EntryKind::RefundGivenBack
                | EntryKind::RefundReversed => panic!("a payment does not refund by itself"),
                EntryKind::DisputeWithdrawn
                | EntryKind::DisputeFee
                | EntryKind::DisputeReinstated
                | EntryKind::DisputeFeeReturned
                | EntryKind::DisputeLost
                | EntryKind::DisputeLossReversed => panic!("a bank disputes, not a payment"),
            }
        }
        self.voided_replies += u32::from(transition.reply == Some(Reply::Voided));
        if transition.refund_all {
            self.payment.refunded = self.payment.captured;
            self.apply(Input::FullyRefunded);
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Command(0) => self.apply(Input::Authorize),
            Step::Command(1) => self.apply(Input::Capture(None)),
            Step::Command(2) => self.apply(Input::Capture(Some(gbp(40)))),
            Step::Command(_) => self.apply(Input::Void),
            Step::Webhook => self.hear(),
            Step::Call {
                answered,
                reached,
                declines,
            } => self.call(answered, reached, declines),
        }
    }

    /// News comes only of an intent that exists.
    fn hear(&mut self) {
        if !self.provider.fresh() {
            let view = self.provider.view();
            self.apply(Input::Observed(view));
        }
    }

    fn call(&mut self, answered: bool, reached: bool, declines: bool) {
        let Some(call) = self.payment.state.due_call() else {
            return;
        };
        if !reached {
            return self.apply(Input::NoAnswer);
        }
        let view = self.provider.call(call, &self.payment, declines);
        self.apply(if answered {
            Input::Observed(view)
        } else {
            Input::NoAnswer
        });
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let expected = if self.payment.state.holds() { 100 } else { 0 };
        prop_assert_eq!(self.held_in_books, expected, "{:?}", self.payment);
        prop_assert_eq!(self.captured_in_books, self.payment.captured.minor_units());
        prop_assert!(self.provider.authorizations <= 1 && self.provider.captures <= 1);
        prop_assert!(self.payment.captured.minor_units() <= 100);
        Ok(())
    }
}

proptest! {
    #[test]
    fn whatever_happens_the_books_agree_and_the_card_is_charged_once(
        steps in prop::collection::vec(step(), 0..40),
    ) {
        let mut story = Story::new();
        for step in steps {
            story.step(step);
            story.check()?;
        }
    }

    #[test]
    fn after_a_void_nothing_stays_held_or_taken(
        before in prop::collection::vec(step(), 0..30),
    ) {
        let mut story = Story::new();
        for step in before {
            story.step(step);
        }

        story.apply(Input::Void);
        while story.payment.state.due_call().is_some() {
            story.call(true, true, false);
        }

        story.check()?;
        prop_assert!(!story.provider.held);
        prop_assert_eq!(story.payment.refunded, story.payment.captured);
        prop_assert_ne!(story.payment.state, State::Conflicted);
        prop_assert!(story.voided_replies > 0, "{:?}", story.payment);
    }
}
