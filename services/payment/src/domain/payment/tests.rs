//! The table state by state, and its rules by name.

mod story;

use tradepost_types::Currency;

use super::*;
use crate::domain::state::Call;

const fn gbp(minor_units: i64) -> Money {
    Money::new(minor_units, Currency::GBP)
}

fn in_state(state: State, void_requested: bool) -> Payment {
    let (mut payment, _) = Payment::start(gbp(100));
    payment.state = state;
    payment.void_requested = void_requested;
    match state {
        State::Capturing | State::CaptureUnknown => payment.capture_amount = Some(gbp(100)),
        State::Captured => payment.captured = gbp(100),
        State::PartiallyCaptured => payment.captured = gbp(40),
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
    payment
}

fn observations() -> [Observation; 8] {
    [
        Observation::Held(gbp(100)),
        Observation::ActionRequired,
        Observation::Declined {
            reason: "NO".into(),
        },
        Observation::Taken(gbp(100)),
        Observation::Canceled,
        Observation::Processing,
        Observation::Absent,
        Observation::Refused {
            reason: "NEVER".into(),
        },
    ]
}

/// Where each state goes on `Held`, `ActionRequired`, `Declined`, `Taken`, `Canceled`, `Processing`,
/// `Absent`, `Refused`.
fn observed_table() -> [(State, bool, [State; 8]); 18] {
    use State as S;
    let (au, un, ra) = (S::Authorizing, S::Unknown, S::RequiresAction);
    let (ok, no, ex) = (S::Authorized, S::Declined, S::AuthorizationExpired);
    let (ca, cu, done) = (S::Capturing, S::CaptureUnknown, S::Captured);
    let (vg, vd, co) = (S::Voiding, S::Voided, S::Conflicted);
    [
        (au, false, [ok, ra, no, co, no, au, au, no]),
        (un, false, [ok, ra, no, co, no, un, au, no]),
        (ra, false, [ok, ra, no, co, no, ra, ra, no]),
        (au, true, [vg, vg, vd, co, vd, au, au, vd]),
        (un, true, [vg, vg, vd, co, vd, un, au, vd]),
        (ok, false, [ok, ok, ok, co, ex, ok, ok, ok]),
        (ca, false, [ca, ca, ca, done, ex, cu, ca, ok]),
        (cu, false, [ca, cu, ca, done, ex, cu, cu, ok]),
        (ca, true, [ca, ca, ca, done, vd, cu, ca, vg]),
        (cu, true, [vg, cu, vg, done, vd, cu, cu, vg]),
        (vg, true, [vg, vg, vg, done, vd, vg, vg, co]),
        (vd, false, [vg, vd, vd, vd, vd, vd, vd, vd]),
        (no, false, [vg, no, no, no, no, no, no, no]),
        (ex, false, [vg, ex, ex, ex, ex, ex, ex, ex]),
        (done, false, [done; 8]),
        (done, true, [done; 8]),
        (S::PartiallyCaptured, false, [S::PartiallyCaptured; 8]),
        (co, false, [co; 8]),
    ]
}

#[test]
fn every_observation_leads_where_the_table_says() {
    for (from, void_requested, targets) in observed_table() {
        for (observation, target) in observations().into_iter().zip(targets) {
            let mut payment = in_state(from, void_requested);

            payment.apply(Input::Observed(observation.clone()));

            assert_eq!(
                payment.state, target,
                "{from:?}, void {void_requested}: {observation:?}"
            );
        }
    }
}

#[test]
fn commands_and_silence_lead_where_the_table_says() {
    use State as S;
    // From, then where Authorize, Capture, Void and NoAnswer lead.
    let table = [
        (
            S::Authorizing,
            [S::Authorizing, S::Authorizing, S::Authorizing, S::Unknown],
        ),
        (
            S::RequiresAction,
            [
                S::RequiresAction,
                S::RequiresAction,
                S::Voiding,
                S::RequiresAction,
            ],
        ),
        (
            S::Authorized,
            [S::Authorized, S::Capturing, S::Voiding, S::Authorized],
        ),
        (
            S::Declined,
            [S::Declined, S::Declined, S::Voided, S::Declined],
        ),
        (S::Unknown, [S::Unknown, S::Unknown, S::Unknown, S::Unknown]),
        (
            S::Capturing,
            [S::Capturing, S::Capturing, S::Capturing, S::CaptureUnknown],
        ),
        (
            S::PartiallyCaptured,
            [
                S::PartiallyCaptured,
                S::PartiallyCaptured,
                S::PartiallyCaptured,
                S::PartiallyCaptured,
            ],
        ),
        (S::Captured, [S::Captured; 4]),
        (S::CaptureUnknown, [S::CaptureUnknown; 4]),
        (S::Voiding, [S::Voiding; 4]),
        (S::Voided, [S::Voided; 4]),
        (
            S::AuthorizationExpired,
            [
                S::AuthorizationExpired,
                S::AuthorizationExpired,
                S::Voided,
                S::AuthorizationExpired,
            ],
        ),
        (S::Conflicted, [S::Conflicted; 4]),
    ];
    assert_eq!(table.len(), State::ALL.len());
    for (from, targets) in table {
        let inputs = [
            Input::Authorize,
            Input::Capture(None),
            Input::Void,
            Input::NoAnswer,
        ];
        for (input, target) in inputs.into_iter().zip(targets) {
            let mut payment = in_state(from, false);

            payment.apply(input.clone());

            assert_eq!(payment.state, target, "{from:?} on {input:?}");
        }
    }
}

#[test]
fn a_different_amount_is_a_conflict_in_every_state_that_waits_for_one() {
    for state in [
        State::Authorizing,
        State::Unknown,
        State::RequiresAction,
        State::Authorized,
    ] {
        let mut payment = in_state(state, false);

        let transition = payment.apply(Input::Observed(Observation::Held(gbp(101))));

        assert_eq!(payment.state, State::Conflicted, "{state:?}");
        assert_eq!(transition.reply, Some(Reply::Conflicted));
    }
}

#[test]
fn e02_a_void_while_authorizing_waits_and_then_undoes_the_late_success() {
    let (mut payment, _) = Payment::start(gbp(100));

    assert_eq!(payment.apply(Input::Void), Transition::default());
    payment.apply(Input::Observed(Observation::Held(gbp(100))));
    assert_eq!(payment.state.due_call(), Some(Call::Cancel));
    let done = payment.apply(Input::Observed(Observation::Canceled));

    assert_eq!(done.reply, Some(Reply::Voided));
    assert_eq!(payment.state, State::Voided);
}

#[test]
fn a_capture_above_the_amount_or_in_another_currency_is_refused() {
    let euro = Money::new(1, Currency::EUR);
    for (amount, reason) in [
        (gbp(101), "AMOUNT_TOO_LARGE"),
        (euro, "AMOUNT_TOO_LARGE"),
        (gbp(0), "AMOUNT_NOT_POSITIVE"),
        (gbp(-1), "AMOUNT_NOT_POSITIVE"),
    ] {
        let mut payment = in_state(State::Authorized, false);

        let transition = payment.apply(Input::Capture(Some(amount)));

        assert_eq!(transition, Transition::capture_failed(reason));
        assert_eq!(payment.state, State::Authorized);
    }
}

#[test]
fn a_void_of_a_captured_payment_refunds_all_of_it_and_answers_once_it_is_back() {
    let mut payment = in_state(State::PartiallyCaptured, false);

    let asked = payment.apply(Input::Void);
    payment.refunded = payment.captured;
    let again = payment.apply(Input::Void);
    let back = payment.apply(Input::FullyRefunded);

    assert!(asked.refund_all);
    assert_eq!(asked.reply, None);
    assert_eq!(again, Transition::default());
    assert_eq!(back.reply, Some(Reply::Voided));
}

#[test]
fn a_void_amid_a_full_refund_is_answered_once_and_only_when_the_money_is_back() {
    let mut payment = in_state(State::Captured, false);
    payment.refunded = payment.captured;

    let early = payment.apply(Input::Void);
    let back = payment.apply(Input::FullyRefunded);
    let twice = payment.apply(Input::FullyRefunded);
    let repeated = payment.apply(Input::Void);

    assert_eq!(early, Transition::default());
    assert_eq!(twice, Transition::default());
    assert_eq!(back.reply, Some(Reply::Voided));
    assert_eq!(repeated.reply, Some(Reply::Voided));
}

#[test]
fn e04_late_news_of_a_failed_attempt_ends_neither_a_capture_nor_a_void() {
    let declined = || {
        Input::Observed(Observation::Declined {
            reason: "NO".into(),
        })
    };
    let mut capturing = in_state(State::Capturing, false);
    let mut voiding = in_state(State::Voiding, true);

    assert_eq!(capturing.apply(declined()), Transition::default());
    assert_eq!(voiding.apply(declined()), Transition::default());

    assert_eq!(capturing.state.due_call(), Some(Call::Capture));
    assert_eq!(voiding.state.due_call(), Some(Call::Cancel));
}

#[test]
fn e04_a_search_that_lagged_behind_does_not_end_a_void() {
    let mut payment = in_state(State::Voiding, true);

    let transition = payment.apply(Input::Observed(Observation::Absent));

    assert_eq!(transition, Transition::default());
    assert_eq!(payment.state, State::Voiding);
}

#[test]
fn a_hold_found_after_a_void_that_came_first_is_booked_in_its_own_currency_and_let_go() {
    let mut payment = Payment::tombstone(Money::zero(Currency::USD));

    let held = payment.apply(Input::Observed(Observation::Held(gbp(100))));
    let done = payment.apply(Input::Observed(Observation::Canceled));

    assert_eq!(held.entries[0].amount, gbp(100));
    assert_eq!(done.entries[0].amount, gbp(100));
    assert_eq!(payment.refundable(), Ok(gbp(0)));
    assert_eq!(
        (payment.state, done.reply),
        (State::Voided, Some(Reply::Voided))
    );
}
