//! The transition table state by state, and random stories of a small warehouse.

use proptest::prelude::*;
use time::macros::datetime;

use super::*;
use crate::domain::item::UNITS_MAX;

const NOW: OffsetDateTime = datetime!(2026-01-01 12:00 UTC);
const HOLD: Duration = Duration::minutes(15);

fn sku(name: &str) -> Sku {
    name.parse().unwrap()
}

fn units(count: u32) -> Quantity {
    Quantity::try_from(count).unwrap()
}

/// A shop with items A (10 units), B (5 units) and the inactive C.
struct Shop {
    tenant: TenantId,
    shelf: Shelf,
}

impl Shop {
    fn new() -> Self {
        let tenant = TenantId::new();
        let mut shelf = Shelf::default();
        for (name, active, on_hand) in [("A", true, 10), ("B", true, 5), ("C", false, 5)] {
            let key = ItemKey {
                tenant,
                sku: sku(name),
            };
            shelf.put_item(
                key,
                active,
                Stock {
                    on_hand,
                    reserved: 0,
                },
            );
        }
        Self { tenant, shelf }
    }

    fn ask(&mut self, id: ReservationId, action: Action) -> Vec<Answer> {
        self.ask_at(NOW, id, action)
    }

    fn ask_at(&mut self, now: OffsetDateTime, id: ReservationId, action: Action) -> Vec<Answer> {
        let order = OrderId::from_uuid(id.as_uuid());
        self.shelf.decide(
            Command {
                tenant: self.tenant,
                reservation: id,
                order,
                action,
            },
            now,
        )
    }

    fn stock(&self, name: &str) -> Stock {
        self.shelf
            .stock(&ItemKey {
                tenant: self.tenant,
                sku: sku(name),
            })
            .unwrap()
    }

    fn state(&self, id: ReservationId) -> State {
        self.shelf
            .reservation(self.tenant, id)
            .unwrap()
            .state
            .clone()
    }
}

fn reserve(lines: &[(&str, u32)]) -> Action {
    let lines = lines
        .iter()
        .map(|&(name, count)| (sku(name), units(count)))
        .collect();
    Action::Reserve { lines, hold: HOLD }
}

#[test]
fn all_lines_are_held_or_none() {
    let mut shop = Shop::new();
    let id = ReservationId::new();

    let answers = shop.ask(id, reserve(&[("A", 1), ("B", 6)]));

    let short = Shortfall {
        sku: sku("B"),
        wanted: 6,
        available: 5,
    };
    let why = Rejection {
        reason: RejectReason::OutOfStock,
        shortfalls: vec![short],
    };
    assert_eq!(answers, vec![Answer::Rejected(why)]);
    assert_eq!(
        shop.stock("A"),
        Stock {
            on_hand: 10,
            reserved: 0
        }
    );
}

#[test]
fn e07_lines_of_one_sku_are_added_up_before_the_check() {
    let mut shop = Shop::new();

    let short = shop.ask(ReservationId::new(), reserve(&[("A", 6), ("A", 5)]));
    let enough = shop.ask(ReservationId::new(), reserve(&[("A", 6), ("A", 4)]));

    assert!(matches!(short.as_slice(), [Answer::Rejected(_)]));
    assert_eq!(
        enough,
        vec![Answer::Reserved {
            expire_at: NOW + HOLD
        }]
    );
    assert_eq!(shop.stock("A").available(), 0);
}

#[test]
fn the_most_fundamental_reason_is_told() {
    for (lines, reason) in [
        (
            vec![("A", 11), ("C", 1), ("X", 1)],
            RejectReason::UnknownSku,
        ),
        (vec![("A", 11), ("C", 1)], RejectReason::ItemInactive),
        (vec![("A", 11)], RejectReason::OutOfStock),
    ] {
        let mut shop = Shop::new();

        let answers = shop.ask(ReservationId::new(), reserve(&lines));

        let [Answer::Rejected(why)] = answers.as_slice() else {
            panic!("{answers:?}")
        };
        assert_eq!(why.reason, reason);
        assert_eq!(why.shortfalls.len(), lines.len());
    }
}

#[test]
fn a_commit_takes_the_units_out_and_a_release_puts_them_back() {
    let mut shop = Shop::new();
    let id = ReservationId::new();
    shop.ask(id, reserve(&[("A", 4)]));

    let committed = shop.ask(id, Action::Commit);
    let sold = shop.stock("A");
    let released = shop.ask(id, Action::Release);

    assert_eq!(
        (committed, sold),
        (
            vec![Answer::Committed],
            Stock {
                on_hand: 6,
                reserved: 0
            }
        )
    );
    assert_eq!(released, vec![Answer::Released]);
    assert_eq!(
        shop.stock("A"),
        Stock {
            on_hand: 10,
            reserved: 0
        }
    );
    let deltas: Vec<_> = shop.shelf.sales().iter().map(|sale| sale.delta).collect();
    assert_eq!(deltas, vec![-4, 4]);
}

#[test]
fn e04_a_release_before_the_reservation_is_remembered() {
    let mut shop = Shop::new();
    let id = ReservationId::new();

    let released = shop.ask(id, Action::Release);
    let reserved = shop.ask(id, reserve(&[("A", 1)]));

    assert_eq!(released, vec![Answer::Released]);
    assert_eq!(reserved, vec![Answer::ReleasedBefore]);
    assert_eq!(shop.stock("A").reserved, 0);
}

#[test]
fn e06_a_commit_at_the_very_instant_of_expiry_is_too_late() {
    let mut shop = Shop::new();
    let (in_time, late) = (ReservationId::new(), ReservationId::new());
    shop.ask(in_time, reserve(&[("A", 1)]));
    shop.ask(late, reserve(&[("A", 1)]));

    let just = shop.ask_at(
        NOW + HOLD - Duration::nanoseconds(1),
        in_time,
        Action::Commit,
    );
    let over = shop.ask_at(NOW + HOLD, late, Action::Commit);

    assert_eq!(just, vec![Answer::Committed]);
    assert_eq!(
        over,
        vec![
            Answer::Expired,
            Answer::CommitRefused(CommitRefusal::Expired)
        ]
    );
    assert_eq!(
        shop.stock("A"),
        Stock {
            on_hand: 9,
            reserved: 0
        }
    );
}

#[test]
fn an_extension_holds_for_longer_and_never_for_less() {
    let mut shop = Shop::new();
    let id = ReservationId::new();
    shop.ask(id, reserve(&[("A", 1)]));

    shop.ask(
        id,
        Action::Extend {
            hold: Duration::seconds(1),
        },
    );
    assert_eq!(
        shop.state(id),
        State::Held {
            expire_at: NOW + HOLD
        }
    );
    shop.ask(id, Action::Extend { hold: HOLD * 2 });
    assert_eq!(
        shop.state(id),
        State::Held {
            expire_at: NOW + HOLD * 2
        }
    );
}

/// A shop whose one reservation of two units of A stands in the wanted state.
fn standing(state: &str) -> (Shop, ReservationId) {
    let mut shop = Shop::new();
    let id = ReservationId::new();
    if state == "rejected" {
        shop.ask(id, reserve(&[("A", 99)]));
    } else if state != "none" {
        shop.ask(id, reserve(&[("A", 2)]));
    }
    match state {
        "committed" => drop(shop.ask(id, Action::Commit)),
        "released" => drop(shop.ask(id, Action::Release)),
        "expired" => drop(shop.ask_at(NOW + HOLD, id, Action::Expire)),
        _ => {}
    }
    (shop, id)
}

#[test]
fn every_state_answers_every_action_as_the_table_says() {
    // State before, then the state after reserve, extend, commit, release, early expiry.
    let table = [
        ("none", ["held", "none", "none", "released", "none"]),
        ("held", ["held", "held", "committed", "released", "held"]),
        (
            "committed",
            [
                "committed",
                "committed",
                "committed",
                "released",
                "committed",
            ],
        ),
        ("released", ["released"; 5]),
        ("expired", ["expired"; 5]),
        ("rejected", ["rejected"; 5]),
    ];
    for (before, afters) in table {
        let actions = [
            reserve(&[("A", 2)]),
            Action::Extend { hold: HOLD },
            Action::Commit,
            Action::Release,
            Action::Expire,
        ];
        for (action, after) in actions.into_iter().zip(afters) {
            let (mut shop, id) = standing(before);

            shop.ask(id, action.clone());

            let found = shop.shelf.reservation(shop.tenant, id);
            let state = found.map_or("none", |reservation| reservation.state.name());
            assert_eq!(state, after, "{before} on {action:?}");
        }
    }
}

#[test]
fn repeated_commands_repeat_their_answer_and_move_nothing() {
    for (state, action) in [
        ("held", reserve(&[("A", 2)])),
        ("committed", Action::Commit),
        ("released", Action::Release),
        ("rejected", reserve(&[("A", 99)])),
    ] {
        let (mut shop, id) = standing(state);
        let stock = shop.stock("A");

        let first = shop.ask(id, action.clone());
        let second = shop.ask(id, action);

        assert_eq!(first, second);
        assert_eq!(shop.stock("A"), stock, "{state}");
    }
}

#[derive(Debug, Clone)]
struct Step {
    reservation: usize,
    action: Action,
    later: i64,
}

fn step() -> impl Strategy<Value = Step> {
    let line = (prop_oneof![Just("A"), Just("B"), Just("X")], 1_u32..7);
    let lines = prop::collection::vec(line, 1..4);
    let action = prop_oneof![
        3 => lines.prop_map(|lines| reserve(&lines)),
        1 => Just(Action::Extend { hold: HOLD }),
        2 => Just(Action::Commit),
        2 => Just(Action::Release),
        1 => Just(Action::Expire),
    ];
    (0_usize..6, action, 0_i64..600).prop_map(|(reservation, action, later)| Step {
        reservation,
        action,
        later,
    })
}

proptest! {
    #[test]
    fn whatever_is_asked_stock_covers_what_is_held_and_movements_explain_it(
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let mut shop = Shop::new();
        let ids: Vec<_> = (0..6).map(|_| ReservationId::new()).collect();
        let mut now = NOW;
        for step in steps {
            now += Duration::seconds(step.later);
            shop.ask_at(now, ids[step.reservation], step.action);

            for (name, start) in [("A", 10), ("B", 5)] {
                let stock = shop.stock(name);
                let held: i64 = ids
                    .iter()
                    .filter_map(|&id| shop.shelf.reservation(shop.tenant, id))
                    .filter(|reservation| matches!(reservation.state, State::Held { .. }))
                    .filter_map(|reservation| reservation.items.get(&sku(name)))
                    .sum();
                let moved: i64 = shop
                    .shelf
                    .sales()
                    .iter()
                    .filter(|sale| sale.key.sku == sku(name))
                    .map(|sale| sale.delta)
                    .sum();
                prop_assert_eq!(stock.reserved, held);
                prop_assert_eq!(stock.on_hand, start + moved);
                prop_assert!(stock.on_hand >= stock.reserved && stock.reserved >= 0);
                prop_assert!(stock.on_hand <= UNITS_MAX);
            }
        }
    }
}
