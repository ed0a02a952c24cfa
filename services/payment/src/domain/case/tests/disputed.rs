//! Disputes beside refunds and voids, one rule after the other.

use super::*;
use crate::domain::{DisputeNews, DisputeReply, DisputeState, Funds};

/// A snapshot of a dispute of so much, told at that second; the money was moved as its state says.
fn told(state: DisputeState, units: i64, told_at: i64) -> DisputeNews {
    let (withdrawn, reinstated) = match state {
        DisputeState::InquiryNeedsResponse
        | DisputeState::InquiryUnderReview
        | DisputeState::InquiryClosed => (0, 0),
        DisputeState::NeedsResponse | DisputeState::UnderReview | DisputeState::Lost => (units, 0),
        DisputeState::Won => (units, units),
    };
    DisputeNews {
        reference: "dp_1".to_owned(),
        amount: gbp(units),
        reason: "FRAUDULENT".to_owned(),
        state,
        told_at,
        funds: Funds {
            withdrawn,
            reinstated,
            fee: 0,
            fee_returned: 0,
        },
    }
}

fn disputed(state: DisputeState, units: i64) -> Case {
    let mut case = in_state(State::Captured, false);
    case.take_dispute(told(state, units, 1));
    case
}

fn ask(case: &mut Case, wish: Option<i64>) -> Result<i64, RefundRefusal> {
    let asked = case.request_refund(RefundId::new(), wish.map(gbp), Origin::Request);
    asked.map(|effects| moved(&effects, EntryKind::RefundSetAside))
}

fn void_failed(reason: &str) -> Vec<Told> {
    let reason = reason.to_owned();
    vec![Told::Payment(Reply::VoidFailed { reason })]
}

#[test]
fn e09_what_a_dispute_leaves_can_be_refunded_and_nothing_beyond() {
    use RefundRefusal::{Disputed, ExceedsCaptured};
    // Of 100 taken; state, disputed, wish, answer.
    for (state, units, wish, answer) in [
        (DisputeState::InquiryNeedsResponse, 100, Some(100), Ok(100)),
        (DisputeState::InquiryUnderReview, 100, None, Ok(100)),
        (DisputeState::InquiryClosed, 100, None, Ok(100)),
        (DisputeState::NeedsResponse, 100, Some(1), Err(Disputed)),
        (DisputeState::UnderReview, 100, None, Err(Disputed)),
        (DisputeState::NeedsResponse, 30, Some(70), Ok(70)),
        (DisputeState::NeedsResponse, 30, Some(71), Err(Disputed)),
        (DisputeState::NeedsResponse, 30, None, Err(Disputed)),
        (
            DisputeState::NeedsResponse,
            30,
            Some(101),
            Err(ExceedsCaptured),
        ),
        (DisputeState::Won, 100, None, Ok(100)),
        (DisputeState::Lost, 30, None, Ok(70)),
        (DisputeState::Lost, 30, Some(71), Err(Disputed)),
        (DisputeState::Lost, 100, None, Err(Disputed)),
        (DisputeState::Lost, 130, Some(1), Err(Disputed)),
    ] {
        let mut case = disputed(state, units);
        let before = case.clone();

        let found = ask(&mut case, wish);

        assert_eq!(found, answer, "{state:?} {units} {wish:?}");
        assert_eq!(case == before, answer.is_err(), "{state:?} {wish:?}");
    }
}

#[test]
fn several_disputes_of_one_payment_bar_their_sum() {
    let mut case = disputed(DisputeState::Lost, 30);
    let mut second = told(DisputeState::NeedsResponse, 40, 2);
    second.reference = "dp_2".to_owned();

    case.take_dispute(second);

    assert_eq!(case.disputes.len(), 2);
    assert_ne!(case.disputes[0].id, case.disputes[1].id);
    assert_eq!(ask(&mut case, Some(31)), Err(RefundRefusal::Disputed));
    assert_eq!(ask(&mut case, Some(30)), Ok(30));
}

#[test]
fn a_dispute_in_another_currency_bars_all_of_it() {
    let mut case = in_state(State::Captured, false);
    let mut foreign = told(DisputeState::NeedsResponse, 5, 1);
    foreign.amount = Money::new(5, Currency::EUR);

    case.take_dispute(foreign);

    assert_eq!(ask(&mut case, Some(1)), Err(RefundRefusal::Disputed));
}

#[test]
fn a_dispute_is_noted_in_every_state_of_its_payment_and_moves_none_of_them() {
    for before in cases() {
        for state in DisputeState::ALL {
            let mut case = before.clone();

            let effects = case.take_dispute(told(state, 100, 1));

            let what = format!("{before:?} hears {state:?}");
            assert_eq!(case.payment.state, before.payment.state, "{what}");
            assert_eq!(case.refunds, before.refunds, "{what}");
            assert!(
                effects
                    .told
                    .iter()
                    .all(|told| matches!(told, Told::Dispute(..)))
            );
            assert_eq!(case.take_dispute(told(state, 100, 1)), Effects::default());
        }
    }
}

#[test]
fn e09_a_void_of_disputed_money_fails_and_works_once_the_dispute_is_won() {
    let mut case = disputed(DisputeState::NeedsResponse, 100);

    let refused = case.take(Input::Void);
    let won = case.take_dispute(told(DisputeState::Won, 100, 2));
    let again = case.take(Input::Void);

    assert_eq!(
        (refused.told, refused.entries),
        (void_failed("PAYMENT_DISPUTED"), Vec::new())
    );
    let closed = &won.told[..];
    assert!(
        matches!(closed, [Told::Dispute(_, DisputeReply::Closed)]),
        "{closed:?}"
    );
    assert_eq!(moved(&again, EntryKind::RefundSetAside), 100);
}

#[test]
fn a_capture_that_a_void_waited_for_is_not_refunded_beside_a_dispute() {
    let mut case = in_state(State::Capturing, true);
    case.take_dispute(told(DisputeState::NeedsResponse, 100, 1));

    let effects = case.take(Input::Observed(Observation::Taken(gbp(100))));

    assert_eq!(effects.told, void_failed("PAYMENT_DISPUTED"));
    assert_eq!(case.refunds, []);
}

#[test]
fn a_void_of_money_that_a_bank_gave_back_is_answered_and_taken_back_if_it_is_won_after_all() {
    let mut case = disputed(DisputeState::Lost, 100);

    let voided = case.take(Input::Void);
    let won = case.take_dispute(told(DisputeState::Won, 100, 2));

    assert_eq!(voided.told, [Told::Payment(Reply::Voided)]);
    assert_eq!(voided.entries, []);
    assert_eq!(won.told[1..], void_failed("DISPUTE_WON"));
    assert_eq!(moved(&won, EntryKind::DisputeLossReversed), 100);
    assert_eq!(
        moved(&case.take(Input::Void), EntryKind::RefundSetAside),
        100
    );
}

#[test]
fn what_a_partly_lost_dispute_left_is_refunded_by_a_void_and_the_void_is_answered() {
    let mut case = disputed(DisputeState::Lost, 30);

    let void = case.take(Input::Void);
    let id = case.refunds[0].refund.id;
    let back = case.take_refund(id, RefundInput::Succeeded);

    assert_eq!(moved(&void, EntryKind::RefundSetAside), 70);
    assert_eq!(back.told, [Told::Payment(Reply::Voided)]);
}
