//! Disorder: whatever comes in whichever order, twice or late, every order comes to rest, and
//! money and goods balance.

use proptest::prelude::*;

use super::harness::{Goods, Money_, Script, Stock, World};
use crate::domain::saga::Refusal;
use crate::domain::{DisputeNews, Input, OrderState, PaymentAnswer, Verb};

#[derive(Debug, Clone)]
enum Chaos {
    /// Carry out some command under way.
    Command(usize),
    /// Deliver some answer under way.
    Answer(usize),
    /// Deliver some answer, and keep it to be delivered again.
    Twice(usize),
    /// Carry out some command twice.
    CommandTwice(usize),
    Deadline,
    Cancel,
    Expire,
    Carrier,
    /// The bank begins a dispute, or closes one.
    Dispute(bool),
}

fn chaos() -> impl Strategy<Value = Chaos> {
    prop_oneof![
        8 => any::<usize>().prop_map(Chaos::Command),
        8 => any::<usize>().prop_map(Chaos::Answer),
        2 => any::<usize>().prop_map(Chaos::Twice),
        2 => any::<usize>().prop_map(Chaos::CommandTwice),
        2 => Just(Chaos::Deadline),
        1 => Just(Chaos::Cancel),
        1 => Just(Chaos::Expire),
        2 => Just(Chaos::Carrier),
        1 => any::<bool>().prop_map(Chaos::Dispute),
    ]
}

fn script() -> impl Strategy<Value = Script> {
    let rarely = || prop::bool::weighted(0.15);
    (
        prop::collection::btree_set(1_u32..4, 0..2),
        rarely(),
        rarely(),
        rarely(),
        rarely(),
        rarely(),
        rarely(),
        rarely(),
    )
        .prop_map(
            |(short, decline, unknown, conflict, booking, capture, void, refund)| Script {
                out_of_stock: short,
                decline,
                unknown_first: unknown,
                conflict,
                booking_fails: booking,
                capture_fails: capture,
                void_fails: void,
                refund_fails: refund,
            },
        )
}

fn disturb(world: &mut World, chaos: &Chaos, end: Goods) {
    match chaos {
        Chaos::Command(index) if !world.commands.is_empty() => {
            let index = index % world.commands.len();
            let command = world.commands.remove(index);
            world.carry_out(command);
        }
        Chaos::CommandTwice(index) if !world.commands.is_empty() => {
            let command = world.commands[index % world.commands.len()];
            world.carry_out(command);
        }
        Chaos::Answer(index) if !world.answers.is_empty() => {
            let index = index % world.answers.len();
            let answer = world.answers.remove(index);
            let _ = world.feed(answer);
        }
        Chaos::Twice(index) if !world.answers.is_empty() => {
            let answer = world.answers[index % world.answers.len()].clone();
            let _ = world.feed(answer);
        }
        Chaos::Deadline => {
            world.fire();
        }
        Chaos::Cancel => {
            let _ = world.feed(Input::Cancel {
                note: String::new(),
                actor: "customer".into(),
            });
        }
        Chaos::Expire => world.expire(),
        Chaos::Carrier => world.carrier(end),
        Chaos::Dispute(begun) if world.order.saga.asked.payment => {
            let text = "x".to_owned();
            let news = if *begun {
                DisputeNews::Begun { text }
            } else {
                DisputeNews::Closed { text }
            };
            let _ = world.feed(Input::Dispute(world.order.payment(), news));
        }
        Chaos::Command(_)
        | Chaos::CommandTwice(_)
        | Chaos::Answer(_)
        | Chaos::Twice(_)
        | Chaos::Dispute(_) => {}
    }
}

fn ends() -> impl Strategy<Value = Goods> {
    prop_oneof![
        4 => Just(Goods::Arrived),
        1 => Just(Goods::Home),
        1 => Just(Goods::Lost),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    #[test]
    fn every_order_comes_to_rest_and_the_books_balance(
        script in script(),
        chaos in prop::collection::vec(chaos(), 0..60),
        end in ends(),
        free in prop::bool::weighted(0.1),
    ) {
        let mut world = World::with_total(script, if free { 0 } else { 500 });
        for step in &chaos {
            disturb(&mut world, step, end);
        }
        world.finish(end);
        world.check();
        let illegal = world.refusals.iter().find(|(_, refusal)| *refusal == Refusal::Illegal);
        prop_assert!(illegal.is_none(), "{illegal:?} {:?}", world.kinds());
    }

    #[test]
    fn an_operator_gets_every_stuck_order_to_an_end(
        script in script(),
        chaos in prop::collection::vec(chaos(), 0..40),
        end in ends(),
        abandon in any::<bool>(),
    ) {
        let mut world = World::new(script);
        for step in &chaos {
            disturb(&mut world, step, end);
        }
        world.finish(end);
        // The fault is mended, and the operator acts; at most once a step.
        for round in 0..12 {
            let Some(stuck) = world.order.saga.phase.attention() else { break };
            let reason = "by hand".to_owned();
            let verb = match round {
                0 => Verb::Retry,
                _ if !abandon && stuck.step.is_skippable() => Verb::Skip { reason },
                _ => Verb::Abandon { reason },
            };
            let actor = "ann".to_owned();
            world.feed(Input::Operator { actor, verb }).unwrap();
            world.finish(end);
        }
        prop_assert!(world.state().is_final(), "{:?}", world.order.saga);
    }
}

#[test]
fn a_late_success_after_cancellation_is_voided_exactly_once() {
    let mut world = World::new(Script::default());
    let authorize = loop {
        let command = world.commands.remove(0);
        if world.order.saga.asked.payment {
            break command;
        }
        world.carry_out(command);
        world.settle_answers();
    };
    world.feed(cancel()).unwrap();
    world.say(PaymentAnswer::Voided);
    world.settle();
    assert_eq!(world.state(), OrderState::Cancelled);

    // The participant broke its promise: the money is held after the end.
    world.carry_out(authorize);
    world.money = Money_::Held;
    for _ in 0..3 {
        world.say(PaymentAnswer::Authorized);
    }
    world.settle();

    assert_eq!(world.voids, 1);
    assert_eq!(
        world
            .kinds()
            .iter()
            .filter(|kind| **kind == "late_payment_voided")
            .count(),
        1
    );
    world.check();
}

/// For each step of the good way: lose its command, lose its answer, repeat both.
#[test]
fn a_lost_or_repeated_message_at_any_step_leaves_a_clean_end() {
    #[derive(Clone, Copy, PartialEq)]
    enum Fault {
        LoseCommand,
        LoseAnswer,
        RepeatCommand,
        RepeatAnswer,
    }
    let faults = [
        Fault::LoseCommand,
        Fault::LoseAnswer,
        Fault::RepeatCommand,
        Fault::RepeatAnswer,
    ];
    for fault in faults {
        for at in 0..7 {
            for end in [Goods::Arrived, Goods::Home] {
                let mut world = World::new(Script::default());
                let mut sent = 0;
                for _ in 0..40 {
                    while !world.commands.is_empty() {
                        let command = world.commands.remove(0);
                        let hit = sent == at;
                        sent += 1;
                        let before = world.answers.len();
                        match fault {
                            Fault::LoseCommand if hit => continue,
                            Fault::RepeatCommand if hit => world.carry_out(command),
                            _ => {}
                        }
                        world.carry_out(command);
                        match fault {
                            Fault::LoseAnswer if hit => world.answers.truncate(before),
                            Fault::RepeatAnswer if hit => {
                                let again = world.answers[before..].to_vec();
                                world.answers.extend(again);
                            }
                            _ => {}
                        }
                    }
                    world.settle_answers();
                    if world.commands.is_empty() {
                        match world.state() {
                            OrderState::Confirmed | OrderState::Shipped => world.carrier(end),
                            state if state.is_final() => break,
                            _ => {
                                world.fire();
                            }
                        }
                    }
                }
                world.check();
                let wanted = match end {
                    Goods::Home => OrderState::Returned,
                    _ => OrderState::Delivered,
                };
                assert_eq!(world.state(), wanted);
                assert!(world.refusals.is_empty(), "{:?}", world.refusals);
            }
        }
    }
}

/// For each step: it fails for good.
#[test]
fn a_failing_step_leaves_a_clean_end_or_calls_a_person() {
    let base = Script::default;
    let cases = [
        (
            Script {
                out_of_stock: [1].into(),
                ..base()
            },
            OrderState::Rejected,
        ),
        (
            Script {
                decline: true,
                ..base()
            },
            OrderState::Rejected,
        ),
        (
            Script {
                conflict: true,
                ..base()
            },
            OrderState::NeedsAttention,
        ),
        (
            Script {
                booking_fails: true,
                ..base()
            },
            OrderState::Rejected,
        ),
        (
            Script {
                capture_fails: true,
                ..base()
            },
            OrderState::NeedsAttention,
        ),
        (
            Script {
                booking_fails: true,
                void_fails: true,
                ..base()
            },
            OrderState::NeedsAttention,
        ),
        (
            Script {
                refund_fails: true,
                ..base()
            },
            OrderState::NeedsAttention,
        ),
        (
            Script {
                unknown_first: true,
                ..base()
            },
            OrderState::Returned,
        ),
    ];
    for (script, wanted) in cases {
        let mut world = World::new(script.clone());

        world.finish(Goods::Home);

        assert_eq!(world.state(), wanted, "{script:?}");
        world.check();
    }
}

#[test]
fn a_hold_that_runs_out_is_asked_for_again_before_the_sale() {
    let mut world = World::new(Script::default());
    world.step_to(OrderState::Authorizing);
    world.expire();
    world.settle_answers();

    world.finish(Goods::Arrived);

    assert_eq!(world.order.saga.asked.reservations, 2);
    assert_eq!(world.state(), OrderState::Delivered);
    assert_eq!(
        world
            .stock
            .values()
            .filter(|stock| **stock == Stock::Sold)
            .count(),
        1
    );
    world.check();
}

#[test]
fn a_hold_that_runs_out_with_nothing_left_lets_the_money_go() {
    let mut world = World::new(Script {
        out_of_stock: [2].into(),
        ..Script::default()
    });
    world.step_to(OrderState::Authorizing);
    world.expire();
    world.settle_answers();

    world.finish(Goods::Arrived);

    assert_eq!(world.state(), OrderState::Rejected);
    assert_eq!(world.voids, 1);
    world.check();
}

fn cancel() -> Input {
    Input::Cancel {
        note: "changed my mind".into(),
        actor: "customer".into(),
    }
}

impl World {
    pub(super) fn settle_answers(&mut self) {
        while !self.answers.is_empty() {
            let answer = self.answers.remove(0);
            let _ = self.feed(answer);
        }
    }

    /// Carries out commands one by one until the state is reached, leaving the rest under way.
    pub(super) fn step_to(&mut self, state: OrderState) {
        for _ in 0..100 {
            if self.state() == state {
                return;
            }
            let command = self.commands.remove(0);
            self.carry_out(command);
            self.settle_answers();
        }
        panic!("{state:?} is not reached");
    }
}
