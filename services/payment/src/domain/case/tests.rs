//! Refunds and voids beside each other: every state, every input.

mod disputed;
mod story;

use tradepost_types::Currency;

use super::*;
use crate::domain::RefundState;

const fn gbp(minor_units: i64) -> Money {
    Money::new(minor_units, Currency::GBP)
}

/// A case of 100 in a state; a taken one has given nothing back.
fn in_state(state: State, void_requested: bool) -> Case {
    let (tenant, id, order) = (TenantId::new(), PaymentId::new(), OrderId::new());
    let (mut case, _) = Case::open(tenant, id, order, gbp(100));
    case.payment.state = state;
    case.payment.void_requested = void_requested;
    match state {
        State::Capturing | State::CaptureUnknown => case.payment.capture_amount = Some(gbp(100)),
        State::Captured => case.payment.captured = gbp(100),
        State::PartiallyCaptured => case.payment.captured = gbp(40),
        State::Authorizing
        | State::RequiresAction
        | State::Authorized
        | State::Declined
        | State::Unknown
        | State::Voiding
        | State::Voided
        | State::AuthorizationExpired
        | State::Conflicted => {}
    }
    case
}

/// A taken case with one refund of 30.
fn with_refund(state: RefundState, origin: Origin, void_requested: bool) -> Case {
    let mut case = in_state(State::Captured, void_requested);
    let asked = case.request_refund(RefundId::new(), Some(gbp(30)), origin);
    assert!(asked.is_ok());
    case.refunds[0].refund.state = state;
    if state == RefundState::Failed {
        case.payment.refunded = gbp(0);
    }
    case
}

fn failed() -> RefundInput {
    RefundInput::Failed {
        reason: "NO".into(),
    }
}

fn refund_inputs() -> [RefundInput; 4] {
    [
        RefundInput::Pending,
        RefundInput::Succeeded,
        failed(),
        RefundInput::NoAnswer,
    ]
}

fn inputs() -> Vec<Input> {
    let reason = || "NO".to_owned();
    let mut inputs = vec![
        Input::Authorize,
        Input::Capture(None),
        Input::Capture(Some(gbp(40))),
        Input::Capture(Some(gbp(101))),
        Input::Capture(Some(gbp(i64::MIN))),
        Input::Capture(Some(Money::new(1, Currency::EUR))),
        Input::Void,
        Input::NoAnswer,
        Input::FullyRefunded,
    ];
    let mut seen = vec![
        Observation::ActionRequired,
        Observation::Declined { reason: reason() },
        Observation::Refused { reason: reason() },
        Observation::Canceled,
        Observation::Processing,
        Observation::Absent,
    ];
    let (other, most) = (Money::new(100, Currency::EUR), gbp(i64::MAX));
    for amount in [gbp(100), gbp(40), gbp(0), most, other] {
        seen.extend([Observation::Held(amount), Observation::Taken(amount)]);
    }
    inputs.extend(seen.into_iter().map(Input::Observed));
    inputs
}

/// Every case there can be, as far as the machines look at it.
fn cases() -> Vec<Case> {
    let (tenant, id, order) = (TenantId::new(), PaymentId::new(), OrderId::new());
    let grave = Payment::tombstone(gbp(0));
    let mut cases = vec![Case::with(tenant, id, order, grave)];
    for void_requested in [false, true] {
        cases.extend(State::ALL.map(|state| in_state(state, void_requested)));
        for origin in Origin::ALL {
            let of = |state| with_refund(state, origin, void_requested);
            cases.extend(RefundState::ALL.map(of));
        }
    }
    cases
}

fn moved(effects: &Effects, kind: EntryKind) -> i64 {
    let of_kind = |(entry, _): &&(Entry, Option<Part>)| entry.kind == kind;
    let entries = effects.entries.iter().filter(of_kind);
    entries.map(|(entry, _)| entry.amount.minor_units()).sum()
}

/// What must hold after any input: the entries explain the change, and no more is given back than
/// was taken.
fn check(before: &Case, after: &Case, effects: &Effects, what: &str) {
    let (old, new) = (&before.payment, &after.payment);
    let units = Money::minor_units;
    assert!(units(new.refunded) >= 0, "{what}");
    assert!(units(new.refunded) <= units(new.captured), "{what}");
    assert!(units(new.captured) <= units(new.amount), "{what}");
    let captured = moved(effects, EntryKind::Capture);
    assert_eq!(
        units(new.captured) - units(old.captured),
        captured,
        "{what}"
    );
    let held = moved(effects, EntryKind::Hold) - moved(effects, EntryKind::Release);
    let holds = |payment: &Payment| {
        let amount = units(payment.amount);
        if payment.state.holds() { amount } else { 0 }
    };
    assert_eq!(holds(new) - holds(old), held, "{what}");
    let back = [EntryKind::RefundGivenBack, EntryKind::RefundReversed];
    let back: i64 = back.into_iter().map(|kind| moved(effects, kind)).sum();
    let aside = moved(effects, EntryKind::RefundSetAside) - back;
    assert_eq!(units(new.refunded) - units(old.refunded), aside, "{what}");
    assert!(
        effects.told.len() <= 1,
        "{what}: one thing is said at a time"
    );
    assert!(
        effects
            .entries
            .iter()
            .all(|(entry, _)| entry.amount.is_positive())
    );
}

#[test]
fn every_input_in_every_state_leaves_books_that_agree() {
    for before in cases() {
        for input in inputs() {
            let mut after = before.clone();

            let effects = after.take(input.clone());

            let what = format!("{before:?} on {input:?}: {effects:?}");
            check(&before, &after, &effects, &what);
        }
    }
}

#[test]
fn the_same_input_again_says_the_same_again_and_moves_nothing() {
    for first in cases() {
        for input in [Input::Authorize, Input::Capture(None), Input::Void] {
            let mut case = first.clone();
            case.take(input.clone());
            let once = case.clone();

            let again = case.take(input.clone());

            assert_eq!(again.entries, [], "{first:?} on {input:?}");
            assert_eq!(case.payment, once.payment, "{first:?} on {input:?}");
            assert_eq!(case.refunds, once.refunds, "{first:?} on {input:?}");
        }
    }
}

#[test]
fn fruitless_calls_are_counted_until_something_moves() {
    let mut case = in_state(State::Authorizing, false);

    let counts = [
        Input::NoAnswer,
        Input::Observed(Observation::Processing),
        Input::Authorize,
        Input::Observed(Observation::Held(gbp(100))),
    ]
    .map(|input| {
        case.take(input);
        case.attempts
    });

    assert_eq!(counts, [1, 2, 2, 0]);
    case.postponed();
    assert_eq!(case.attempts, 1);
}

#[test]
fn e09_a_refund_is_refused_in_every_state_but_the_taken_ones() {
    for state in State::ALL {
        for wish in [None, Some(gbp(1))] {
            let mut case = in_state(state, false);
            let before = case.clone();

            let answer = case.request_refund(RefundId::new(), wish, Origin::Request);

            if matches!(state, State::Captured | State::PartiallyCaptured) {
                assert!(answer.is_ok(), "{state:?}");
            } else {
                assert_eq!(answer, Err(RefundRefusal::NotCaptured), "{state:?}");
                assert_eq!(case, before, "{state:?}");
            }
        }
    }
}

#[test]
fn e09_what_is_asked_for_is_held_against_what_is_left() {
    let euro = Money::new(1, Currency::EUR);
    // Of 100 taken 30 are on their way back.
    for (wish, answer) in [
        (None, Ok(70)),
        (Some(gbp(1)), Ok(1)),
        (Some(gbp(70)), Ok(70)),
        (Some(gbp(71)), Err(RefundRefusal::ExceedsCaptured)),
        (Some(gbp(i64::MAX)), Err(RefundRefusal::ExceedsCaptured)),
        (Some(gbp(0)), Err(RefundRefusal::NotPositive)),
        (Some(gbp(i64::MIN)), Err(RefundRefusal::NotPositive)),
        (Some(euro), Err(RefundRefusal::CurrencyMismatch)),
    ] {
        let mut case = with_refund(RefundState::Unknown, Origin::Command, false);
        let before = case.clone();
        let id = RefundId::new();

        let effects = case.request_refund(id, wish, Origin::Request);

        let aside = effects.map(|effects| moved(&effects, EntryKind::RefundSetAside));
        assert_eq!(aside, answer, "{wish:?}");
        assert_eq!(case == before, answer.is_err(), "{wish:?}");
    }
    let mut empty = in_state(State::Captured, false);
    empty.payment.refunded = gbp(100);
    let nothing = empty.request_refund(RefundId::new(), None, Origin::Request);
    assert_eq!(nothing, Err(RefundRefusal::ExceedsCaptured));
}

#[test]
fn every_news_of_a_refund_in_every_state_leaves_books_that_agree() {
    for before in cases().into_iter().filter(|case| !case.refunds.is_empty()) {
        for input in refund_inputs() {
            let mut after = before.clone();
            let id = before.refunds[0].refund.id;

            let effects = after.take_refund(id, input.clone());

            let what = format!("{before:?} on {input:?}: {effects:?}");
            check(&before, &after, &effects, &what);
            let set_aside = after
                .refunds
                .iter()
                .filter(|made| made.refund.state != RefundState::Failed);
            let set_aside: i64 = set_aside.map(|made| made.refund.amount.minor_units()).sum();
            assert_eq!(after.payment.refunded.minor_units(), set_aside, "{what}");
        }
    }
}

#[test]
fn whoever_asked_for_a_refund_is_told_of_its_end() {
    for origin in Origin::ALL {
        for state in RefundState::ALL {
            for input in refund_inputs() {
                let mut case = with_refund(state, origin, origin == Origin::Void);
                let id = case.refunds[0].refund.id;

                let effects = case.take_refund(id, input.clone());

                let due = state.is_due();
                let told = match (&input, origin) {
                    (RefundInput::Succeeded, Origin::Command | Origin::Request) if due => {
                        vec![Told::Refund(id, gbp(30), RefundReply::Succeeded)]
                    }
                    (RefundInput::Failed { reason }, _)
                        if due || state == RefundState::Succeeded =>
                    {
                        let reason = reason.clone();
                        vec![match origin {
                            Origin::Void => Told::Payment(Reply::VoidFailed { reason }),
                            Origin::Command | Origin::Request => {
                                Told::Refund(id, gbp(30), RefundReply::Failed { reason })
                            }
                        }]
                    }
                    // The rest of the 100 is not back yet: a void is not answered.
                    _ => Vec::new(),
                };
                assert_eq!(effects.told, told, "{origin:?} {state:?} {input:?}");
            }
        }
    }
}

#[test]
fn news_of_a_refund_that_is_not_of_the_case_change_nothing() {
    for before in cases() {
        for input in refund_inputs() {
            let mut case = before.clone();

            let effects = case.take_refund(RefundId::new(), input);

            assert_eq!(effects, Effects::default());
            assert_eq!(case, before);
        }
    }
}

#[test]
fn a_refund_that_fails_amid_a_void_is_made_again_under_another_id() {
    let mut case = with_refund(RefundState::Submitted, Origin::Request, false);
    let first = case.refunds[0].refund.id;
    case.take(Input::Void);
    assert_eq!(case.refunds.len(), 2, "the rest");

    let effects = case.take_refund(first, failed());

    assert_eq!(case.refunds.len(), 3);
    assert_eq!(moved(&effects, EntryKind::RefundSetAside), 30);
    let mut ids: Vec<RefundId> = case.refunds.iter().map(|made| made.refund.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3);
    assert_eq!(case.payment.refundable(), Ok(gbp(0)));
}

#[test]
fn people_may_ask_for_so_many_refunds_and_what_is_owed_goes_back_all_the_same() {
    let mut case = in_state(State::Captured, false);
    case.payment.captured = gbp(2_000);
    for _ in 0..REFUNDS_MAX {
        let asked = case.request_refund(RefundId::new(), Some(gbp(1)), Origin::Request);
        assert!(asked.is_ok());
    }
    let before = case.clone();

    let one_more = case.request_refund(RefundId::new(), Some(gbp(1)), Origin::Request);

    assert_eq!(one_more, Err(RefundRefusal::TooMany));
    assert_eq!(case, before);
    let by_saga = case.request_refund(RefundId::new(), Some(gbp(400)), Origin::Command);
    assert!(by_saga.is_ok());
    case.take(Input::Void);
    assert_eq!(case.payment.refundable(), Ok(gbp(0)));
}
