//! Every state, every news: what leads on, what is refused, what is told and entered.

use proptest::prelude::*;
use tradepost_types::Currency;

use super::*;
use DisputeState::{
    InquiryClosed as IC, InquiryNeedsResponse as IN, InquiryUnderReview as IU, Lost as L,
    NeedsResponse as NR, UnderReview as UR, Won as W,
};

fn news(state: DisputeState, told_at: i64, funds: Funds) -> DisputeNews {
    DisputeNews {
        reference: "dp_1".to_owned(),
        amount: Money::new(100, Currency::GBP),
        reason: "FRAUDULENT".to_owned(),
        state,
        told_at,
        funds,
    }
}

fn in_state(state: DisputeState) -> Dispute {
    let id = DisputeId::new();
    Dispute::open(id, news(state, 50, Funds::default())).0
}

/// Where each state goes, in the order of [`DisputeState::ALL`]; where it stays, the news is refused.
fn assert_table(told_at: i64, table: [(DisputeState, [DisputeState; 7]); 7]) {
    for (row, (from, targets)) in table.into_iter().enumerate() {
        assert_eq!(from, DisputeState::ALL[row]);
        for (to, target) in DisputeState::ALL.into_iter().zip(targets) {
            let mut dispute = in_state(from);

            let (told, entries) = dispute.hear(news(to, told_at, Funds::default()));

            assert_eq!(dispute.known.state, target, "{from:?} hears {to:?}");
            assert_eq!(entries, [], "{from:?} hears {to:?}: no money moved");
            assert!(target == to || told.is_empty(), "{from:?} hears {to:?}");
        }
    }
}

#[test]
fn newer_news_lead_on_but_never_back_to_an_earlier_stage() {
    let table = [
        (IN, [IN, IU, IC, NR, UR, W, L]),
        (IU, [IN, IU, IC, NR, UR, W, L]),
        (IC, [IC, IC, IC, NR, UR, W, L]),
        (NR, [NR, NR, NR, NR, UR, W, L]),
        (UR, [UR, UR, UR, NR, UR, W, L]),
        (W, [W, W, W, W, W, W, L]),
        (L, [L, L, L, L, L, W, L]),
    ];
    assert_table(51, table);
}

#[test]
fn of_two_news_of_one_second_the_further_counts() {
    let table = [
        (IN, [IN, IU, IC, NR, UR, W, L]),
        (IU, [IU, IU, IC, NR, UR, W, L]),
        (IC, [IC, IC, IC, NR, UR, W, L]),
        (NR, [NR, NR, NR, NR, UR, W, L]),
        (UR, [UR, UR, UR, UR, UR, W, L]),
        (W, [W, W, W, W, W, W, L]),
        (L, [L, L, L, L, L, L, L]),
    ];
    assert_table(50, table);
}

#[test]
fn older_news_count_only_where_they_tell_of_a_later_stage() {
    let table = [
        (IN, [IN, IN, IC, NR, UR, W, L]),
        (IU, [IU, IU, IC, NR, UR, W, L]),
        (IC, [IC, IC, IC, NR, UR, W, L]),
        (NR, [NR, NR, NR, NR, NR, W, L]),
        (UR, [UR, UR, UR, UR, UR, W, L]),
        (W, [W, W, W, W, W, W, W]),
        (L, [L, L, L, L, L, L, L]),
    ];
    assert_table(49, table);
}

#[test]
fn what_is_told_follows_from_the_stages_alone() {
    use DisputeReply::{Asked, Closed, Opened};
    let told = |before: Option<DisputeState>, state| match before {
        None => Dispute::open(DisputeId::new(), news(state, 1, Funds::default())).1,
        Some(before) => in_state(before).hear(news(state, 51, Funds::default())).0,
    };
    let from_inquiry: [(DisputeState, &[DisputeReply]); 5] = [
        (IC, &[Closed]),
        (NR, &[Opened]),
        (UR, &[Opened]),
        (W, &[Opened, Closed]),
        (L, &[Opened, Closed]),
    ];

    for (state, expected) in [
        (IN, &[Asked][..]),
        (IU, &[Asked]),
        (IC, &[Asked, Closed]),
        (NR, &[Opened]),
        (UR, &[Opened]),
        (W, &[Opened, Closed]),
        (L, &[Opened, Closed]),
    ] {
        assert_eq!(told(None, state), expected, "first heard {state:?}");
        assert_eq!(told(Some(state), state), [], "heard again {state:?}");
    }
    for before in [IN, IU] {
        for (state, expected) in from_inquiry {
            assert_eq!(told(Some(before), state), expected, "{before:?} {state:?}");
        }
    }
    for (state, expected) in &from_inquiry[1..] {
        assert_eq!(told(Some(IC), *state), *expected, "{state:?}");
    }
    assert_eq!((told(Some(NR), UR), told(Some(UR), NR)), (vec![], vec![]));
    for (before, state) in [(NR, W), (NR, L), (UR, W), (UR, L), (W, L), (L, W)] {
        assert_eq!(told(Some(before), state), [Closed], "{before:?} {state:?}");
    }
}

#[test]
fn what_bars_refunds_is_the_disputed_amount_while_open_and_what_is_gone_after() {
    let funds = |withdrawn, reinstated| Funds {
        withdrawn,
        reinstated,
        fee: 15,
        fee_returned: 0,
    };
    // State, withdrawn, reinstated; contested, lost, written off.
    for (state, withdrawn, reinstated, expected) in [
        (IN, 0, 0, (0, 0, 0)),
        (IU, 0, 0, (0, 0, 0)),
        (IC, 0, 0, (0, 0, 0)),
        (NR, 0, 0, (100, 0, 0)),
        (NR, 100, 0, (100, 0, 0)),
        (UR, 120, 0, (120, 0, 0)),
        (W, 100, 0, (100, 0, 0)),
        (W, 100, 100, (0, 0, 0)),
        (L, 0, 0, (0, 100, 0)),
        (L, 100, 0, (0, 100, 100)),
        (L, 100, 30, (0, 70, 70)),
        (L, 120, 0, (0, 120, 120)),
    ] {
        let known = news(state, 1, funds(withdrawn, reinstated));

        let (dispute, _, _) = Dispute::open(DisputeId::new(), known);

        let found = (dispute.contested(), dispute.lost(), dispute.written_off());
        assert_eq!(found, expected, "{state:?} {withdrawn} {reinstated}");
    }
}

#[test]
fn news_in_another_currency_contradict_and_change_nothing() {
    let mut dispute = in_state(NR);
    let before = dispute.clone();
    let mut other = news(L, 99, Funds::default());
    other.amount = Money::new(100, Currency::EUR);

    assert_eq!(dispute.hear(other), (Vec::new(), Vec::new()));
    assert_eq!(dispute, before);
}

#[test]
fn every_state_is_found_by_its_name() {
    for state in DisputeState::ALL {
        assert_eq!(DisputeState::parse(state.name()), Some(state));
    }
    assert_eq!(DisputeState::parse("warning_closed"), None);
}

fn any_news() -> impl Strategy<Value = DisputeNews> {
    let units = || prop::sample::select(vec![0_i64, 40, 100]);
    let funds = (units(), units(), units(), units());
    (0_usize..7, 0_i64..4, funds).prop_map(|(state, told_at, funds)| {
        let (withdrawn, reinstated, fee, fee_returned) = funds;
        let funds = Funds {
            withdrawn,
            reinstated,
            fee,
            fee_returned,
        };
        news(DisputeState::ALL[state], told_at, funds)
    })
}

/// What is known and what the ledger carries after news in this order.
fn heard(all: &[DisputeNews]) -> (DisputeNews, Vec<(&'static str, i64)>) {
    let (mut dispute, _, mut entries) = Dispute::open(DisputeId::new(), all[0].clone());
    for news in &all[1..] {
        entries.extend(dispute.hear(news.clone()).1);
    }
    let mut books = std::collections::BTreeMap::new();
    for posting in entries.iter().flat_map(|entry| entry.postings().unwrap()) {
        *books.entry(posting.account.name()).or_insert(0) += posting.amount.minor_units();
    }
    books.retain(|_, balance| *balance != 0);
    (dispute.known, books.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_order_and_any_repetition_of_the_same_news_ends_the_same(
        (all, disorder) in prop::collection::vec(any_news(), 1..8).prop_flat_map(|all| {
            let mut again = all.clone();
            again.extend(all.clone());
            (Just(all), Just(again).prop_shuffle())
        }),
    ) {
        prop_assert_eq!(heard(&all), heard(&disorder));
    }
}
