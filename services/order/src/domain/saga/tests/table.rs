//! The transition table: what each phase makes of each input.

use time::Duration;
use tradepost_types::{Currency, Money, RefundId};

use super::harness::order_of;
use crate::domain::saga::{Command, Fact, Ignored, Policy, Reaction, Refusal, Transition, apply};
use crate::domain::{
    Asked, Attention, Authorizing, Cancelling, Confirming, DisputeNews, EventKind, Input, Order,
    OrderState, Outcome, Parcel, PaymentAnswer, PaymentWait, Phase, RefundAnswer, ShipmentNews,
    Step, StockAnswer, StockStep, Undo, Verb,
};

fn in_phase(phase: Phase) -> Order {
    let mut order = order_of(500);
    let state = phase.state();
    order.saga.phase = phase;
    order.saga.asked = Asked {
        reservations: 1,
        payment: state != OrderState::Reserving,
        shipment: !matches!(state, OrderState::Reserving | OrderState::Authorizing),
        late_void: false,
        refund_failed_late: false,
    };
    order
}

fn authorizing() -> Phase {
    waiting(PaymentWait::Answer, false, false)
}

fn waiting(wait: PaymentWait, cancel_requested: bool, hold_lost: bool) -> Phase {
    Phase::Authorizing(Authorizing {
        cancel_requested,
        hold_lost,
        wait,
    })
}

fn confirming(stock: StockStep, parcel: Parcel) -> Phase {
    Phase::Confirming(Confirming { stock, parcel })
}

fn undoing(undo: Undo) -> Phase {
    Phase::Cancelling(Cancelling {
        outcome: Outcome::Cancelled,
        undo,
    })
}

fn void_shipment() -> Phase {
    undoing(Undo::Shipment {
        stock: StockStep::Committed,
        parcel: Parcel::Booked,
    })
}

fn void_money() -> Phase {
    undoing(Undo::MoneyAndStock {
        payment: true,
        reservations: vec![1],
    })
}

fn returning(refunded: bool, restocked: bool) -> Phase {
    Phase::Returning {
        refunded,
        restocked,
    }
}

fn stuck(step: Step, back: Phase) -> Phase {
    Phase::NeedsAttention(Attention {
        step,
        reason: "because".into(),
        back: Box::new(back),
    })
}

/// Every phase, in a typical form.
fn phases() -> Vec<(&'static str, Phase)> {
    vec![
        ("reserving", Phase::Reserving),
        ("authorizing", authorizing()),
        (
            "committing",
            confirming(StockStep::Committing, Parcel::Awaited),
        ),
        (
            "re-reserving",
            confirming(StockStep::Reserving, Parcel::Awaited),
        ),
        ("booking", confirming(StockStep::Committed, Parcel::Awaited)),
        ("confirmed", Phase::Confirmed),
        (
            "capturing",
            Phase::Capturing {
                parcel: Parcel::HandedOver,
            },
        ),
        ("shipped", Phase::Shipped),
        ("delivered", Phase::Delivered),
        (
            "returning",
            Phase::Returning {
                refunded: false,
                restocked: false,
            },
        ),
        ("returned", Phase::Returned),
        ("void-shipment", void_shipment()),
        ("void-money", void_money()),
        ("cancelled", Phase::Cancelled),
        ("rejected", Phase::Rejected { reason: "X".into() }),
        (
            "stuck-capture",
            stuck(
                Step::CapturePayment,
                Phase::Capturing {
                    parcel: Parcel::HandedOver,
                },
            ),
        ),
    ]
}

/// What else a phase can look like, where that changes what it makes of an input.
fn variants() -> Vec<(&'static str, Phase)> {
    let since = order_of(1).created_at;
    let (unknown, action) = (
        PaymentWait::Unknown { since },
        PaymentWait::Action { since },
    );
    let answer = PaymentWait::Answer;
    let capturing = |parcel| Phase::Capturing { parcel };
    let void_shipment = |stock, parcel| undoing(Undo::Shipment { stock, parcel });
    let undo = |payment, reservations| {
        undoing(Undo::MoneyAndStock {
            payment,
            reservations,
        })
    };
    let rejecting = Phase::Cancelling(Cancelling {
        outcome: Outcome::Rejected("X".into()),
        undo: Undo::MoneyAndStock {
            payment: true,
            reservations: vec![],
        },
    });
    use Parcel::{Awaited, Booked, Delivered, HandedOver, Lost, Returned};
    use StockStep::{Committed, Committing, Reserving};
    vec![
        ("authorizing-unwanted", waiting(answer, true, false)),
        ("authorizing-hold-lost", waiting(answer, false, true)),
        ("authorizing-unknown", waiting(unknown, false, false)),
        (
            "authorizing-unknown-unwanted",
            waiting(unknown, true, false),
        ),
        (
            "authorizing-unknown-hold-lost",
            waiting(unknown, false, true),
        ),
        ("authorizing-action", waiting(action, false, false)),
        ("authorizing-action-hold-lost", waiting(action, false, true)),
        ("committing-booked", confirming(Committing, Booked)),
        ("committing-handed-over", confirming(Committing, HandedOver)),
        ("committing-delivered", confirming(Committing, Delivered)),
        ("re-reserving-booked", confirming(Reserving, Booked)),
        (
            "re-reserving-handed-over",
            confirming(Reserving, HandedOver),
        ),
        ("re-reserving-lost", confirming(Reserving, Lost)),
        ("capturing-delivered", capturing(Delivered)),
        ("capturing-returned", capturing(Returned)),
        ("capturing-lost", capturing(Lost)),
        ("returning-refunded", returning(true, false)),
        ("returning-restocked", returning(false, true)),
        ("void-shipment-awaited", void_shipment(Committed, Awaited)),
        (
            "void-shipment-committing",
            void_shipment(Committing, Booked),
        ),
        ("void-shipment-reserving", void_shipment(Reserving, Booked)),
        (
            "void-shipment-stock-lost",
            void_shipment(StockStep::Lost, Booked),
        ),
        (
            "void-shipment-handed-over",
            void_shipment(Committed, HandedOver),
        ),
        ("void-money-only", undo(true, vec![])),
        ("void-stock-only", undo(false, vec![1])),
        ("void-two-holds", undo(false, vec![1, 2])),
        ("void-rejecting", rejecting),
    ]
}

/// Every step that a person can be called for, in the phase that calls.
fn stuck_steps() -> Vec<(&'static str, Phase)> {
    let gone = confirming(StockStep::Lost, Parcel::HandedOver);
    let stock_only = undoing(Undo::MoneyAndStock {
        payment: false,
        reservations: vec![1],
    });
    let steps = [
        ("stuck-authorize", Step::AuthorizePayment, authorizing()),
        (
            "stuck-commit",
            Step::CommitStock,
            confirming(StockStep::Committing, Parcel::Awaited),
        ),
        (
            "stuck-commit-handed-over",
            Step::CommitStock,
            confirming(StockStep::Committing, Parcel::HandedOver),
        ),
        (
            "stuck-book",
            Step::BookShipment,
            confirming(StockStep::Committed, Parcel::Awaited),
        ),
        ("stuck-reconcile", Step::ReconcileStock, gone),
        ("stuck-hand-over", Step::AwaitHandOver, Phase::Confirmed),
        ("stuck-delivery", Step::AwaitDelivery, Phase::Shipped),
        ("stuck-find", Step::FindParcel, Phase::Shipped),
        ("stuck-refund", Step::RefundPayment, returning(false, false)),
        (
            "stuck-refund-restocked",
            Step::RefundPayment,
            returning(false, true),
        ),
        ("stuck-restock", Step::ReleaseStock, returning(true, false)),
        ("stuck-void-shipment", Step::VoidShipment, void_shipment()),
        ("stuck-void-money", Step::VoidPayment, void_money()),
        ("stuck-release", Step::ReleaseStock, stock_only),
    ];
    let stuck = |(name, step, back)| (name, stuck(step, back));
    steps.map(stuck).into()
}

#[test]
fn every_step_is_stuck_somewhere_in_the_table() {
    let forms = phases().into_iter().chain(stuck_steps());
    let stuck: Vec<Step> = forms
        .filter_map(|(_, phase)| phase.attention().map(|stuck| stuck.step))
        .collect();

    for step in Step::ALL {
        assert!(stuck.contains(step), "{step:?}");
    }
}

fn inputs(order: &Order) -> Vec<(&'static str, Input)> {
    let reason = || "X".to_owned();
    let stock = |answer| Input::Stock(order.current_reservation(), answer);
    let payment = |answer| Input::Payment(order.payment(), answer);
    let dispute = |news| Input::Dispute(order.payment(), news);
    let parcel = |news| Input::Shipment(order.shipment(), news);
    let operator = |verb| Input::Operator {
        actor: "ann".into(),
        verb,
    };
    vec![
        ("reserved", stock(StockAnswer::Reserved)),
        (
            "rejected",
            stock(StockAnswer::Rejected {
                reason: reason(),
                shortfall: String::new(),
            }),
        ),
        ("committed", stock(StockAnswer::Committed)),
        (
            "commit-refused",
            stock(StockAnswer::CommitRefused { reason: reason() }),
        ),
        ("released", stock(StockAnswer::Released)),
        ("expired", stock(StockAnswer::Expired)),
        ("authorized", payment(PaymentAnswer::Authorized)),
        (
            "declined",
            payment(PaymentAnswer::Declined { reason: reason() }),
        ),
        ("action", payment(PaymentAnswer::ActionRequired)),
        ("unknown", payment(PaymentAnswer::OutcomeUnknown)),
        ("conflicted", payment(PaymentAnswer::Conflicted)),
        ("captured", payment(PaymentAnswer::Captured)),
        (
            "capture-failed",
            payment(PaymentAnswer::CaptureFailed { reason: reason() }),
        ),
        ("voided", payment(PaymentAnswer::Voided)),
        (
            "void-failed",
            payment(PaymentAnswer::VoidFailed { reason: reason() }),
        ),
        (
            "refunded",
            Input::Refund(
                order.refund(),
                RefundAnswer::Succeeded {
                    amount: order.details.total,
                },
            ),
        ),
        (
            "refund-failed",
            Input::Refund(order.refund(), RefundAnswer::Failed { reason: reason() }),
        ),
        ("disputed", dispute(DisputeNews::Begun { text: reason() })),
        (
            "dispute-closed",
            dispute(DisputeNews::Closed { text: reason() }),
        ),
        (
            "booked",
            parcel(ShipmentNews::Booked {
                carrier: reason(),
                tracking: reason(),
            }),
        ),
        (
            "booking-failed",
            parcel(ShipmentNews::BookingFailed { reason: reason() }),
        ),
        ("handed-over", parcel(ShipmentNews::HandedOver)),
        ("delivered", parcel(ShipmentNews::Delivered)),
        (
            "exception",
            parcel(ShipmentNews::Exception {
                description: reason(),
            }),
        ),
        ("returned", parcel(ShipmentNews::Returned)),
        ("lost", parcel(ShipmentNews::Lost)),
        ("parcel-voided", parcel(ShipmentNews::Voided)),
        ("void-refused", parcel(ShipmentNews::VoidRefused)),
        (
            "cancel",
            Input::Cancel {
                note: String::new(),
                actor: "c".into(),
            },
        ),
        ("deadline", Input::Deadline),
        ("retry", operator(Verb::Retry)),
        ("skip", operator(Verb::Skip { reason: reason() })),
        ("abandon", operator(Verb::Abandon { reason: reason() })),
    ]
}

/// `state` it leads to, `.` ignored, `!` refused.
fn cell(order: &Order, input: &Input) -> String {
    let now = order.created_at + Duration::seconds(30);
    match apply(order, input, now, &Policy::default()) {
        Ok(Reaction::Moved(moved)) => moved.saga.phase.state().name().to_owned(),
        Ok(Reaction::Ignored(_)) => ".".to_owned(),
        Err(Refusal::Illegal) => "!".to_owned(),
        Err(refusal) => format!("!{refusal:?}"),
    }
}

#[test]
fn the_transition_table_is_as_written() {
    let mut table = String::new();
    let forms = phases().into_iter().chain(variants()).chain(stuck_steps());
    for (name, phase) in forms {
        let order = in_phase(phase);
        for (label, input) in inputs(&order) {
            table.push_str(&format!("{name} + {label} = {}\n", cell(&order, &input)));
        }
    }

    let written = include_str!("table.txt");

    for (found, wanted) in table.lines().zip(written.lines()) {
        assert_eq!(found, wanted);
    }
    assert_eq!(table.lines().count(), written.lines().count());
}

fn moved(order: &Order, input: Input) -> Transition {
    match apply(order, &input, order.created_at, &Policy::default()) {
        Ok(Reaction::Moved(moved)) => *moved,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_dispute_is_written_into_the_history_and_moves_neither_phase_nor_timer() {
    for (name, phase) in phases().into_iter().skip(1) {
        let order = in_phase(phase);
        for (news, kind) in [
            (
                DisputeNews::Begun {
                    text: "400 GBP".into(),
                },
                EventKind::PaymentDisputed,
            ),
            (
                DisputeNews::Closed {
                    text: "400 GBP".into(),
                },
                EventKind::DisputeClosed,
            ),
        ] {
            let noted = moved(&order, Input::Dispute(order.payment(), news));

            assert_eq!(
                (&noted.saga, noted.timer),
                (&order.saga, order.timer),
                "{name}"
            );
            assert_eq!((noted.commands, noted.facts), (vec![], vec![]), "{name}");
            assert_eq!(noted.events.len(), 1, "{name}");
            assert_eq!(
                (noted.events[0].kind, &*noted.events[0].description),
                (kind, "400 GBP")
            );
        }
    }
}

#[test]
fn a_dispute_of_another_payment_is_stale() {
    let order = in_phase(Phase::Delivered);
    let news = DisputeNews::Begun { text: "x".into() };
    let other = Input::Dispute(order_of(1).payment(), news);

    let reaction = apply(&order, &other, order.created_at, &Policy::default());

    assert_eq!(reaction, Ok(Reaction::Ignored(Ignored::Stale)));
}

#[test]
fn a_refund_that_a_caller_made_is_written_and_told_and_moves_neither_phase_nor_timer() {
    let (refund, amount) = (RefundId::new(), Money::new(400, Currency::GBP));
    let succeeded = RefundAnswer::Succeeded { amount };
    let failed = RefundAnswer::Failed {
        reason: "X".to_owned(),
    };
    for (name, phase) in phases().into_iter().skip(1) {
        let order = in_phase(phase);
        for (answer, kind, facts) in [
            (
                &succeeded,
                EventKind::Refunded,
                vec![Fact::Refunded { refund, amount }],
            ),
            (&failed, EventKind::RefundFailed, vec![]),
        ] {
            let noted = moved(&order, Input::Refund(refund, answer.clone()));

            assert_eq!(
                (&noted.saga, noted.timer),
                (&order.saga, order.timer),
                "{name}"
            );
            assert_eq!((noted.commands, noted.facts), (vec![], facts), "{name}");
            assert_eq!(noted.events.len(), 1, "{name}");
            assert_eq!(noted.events[0].kind, kind);
            let text = &noted.events[0].description;
            assert!(text.contains(&refund.to_string()), "{text}");
        }
    }
}

#[test]
fn e09_a_refund_or_void_that_a_dispute_bars_calls_a_person() {
    let returning = Phase::Returning {
        refunded: false,
        restocked: false,
    };
    for (phase, step) in [
        (returning, Step::RefundPayment),
        (void_money(), Step::VoidPayment),
    ] {
        let mut order = in_phase(phase);
        let news = DisputeNews::Begun { text: "x".into() };
        order.saga = moved(&order, Input::Dispute(order.payment(), news)).saga;
        let reason = "PAYMENT_DISPUTED".to_owned();
        let refused = if step == Step::RefundPayment {
            Input::Refund(order.refund(), RefundAnswer::Failed { reason })
        } else {
            Input::Payment(order.payment(), PaymentAnswer::VoidFailed { reason })
        };

        let called = moved(&order, refused);

        let stuck = called.saga.phase.attention().unwrap();
        assert_eq!(stuck.step, step);
        assert!(
            stuck.reason.contains("PAYMENT_DISPUTED"),
            "{}",
            stuck.reason
        );
    }
}

#[test]
fn an_answer_about_another_reservation_is_stale() {
    let order = in_phase(Phase::Reserving);
    let other = Input::Stock(order.reservation(2), StockAnswer::Reserved);

    let reaction = apply(&order, &other, order.created_at, &Policy::default());

    assert_eq!(reaction, Ok(Reaction::Ignored(Ignored::Stale)));
}

#[test]
fn an_unknown_payment_is_never_asked_for_again_and_keeps_its_stock() {
    let since = order_of(1).created_at;
    let mut order = in_phase(Phase::Authorizing(Authorizing {
        cancel_requested: false,
        hold_lost: false,
        wait: PaymentWait::Unknown { since },
    }));
    order.created_at = since;

    let transition = moved(&order, Input::Deadline);

    let extend = Command::ExtendReservation(order.current_reservation());
    assert_eq!(transition.commands, vec![extend]);
    assert_eq!(transition.events, vec![]);
}

#[test]
fn the_wait_between_two_sendings_doubles_up_to_its_cap() {
    let policy = Policy::default();

    let waits: Vec<i64> = (0..7)
        .map(|tries| policy.back_off(tries).whole_seconds())
        .collect();

    assert_eq!(waits, vec![30, 60, 120, 240, 300, 300, 300]);
    assert_eq!(policy.back_off(u32::MAX), policy.step_max);
}

#[test]
fn stock_and_parcel_are_asked_for_in_parallel() {
    let order = in_phase(authorizing());
    let input = Input::Payment(order.payment(), PaymentAnswer::Authorized);

    let transition = moved(&order, input);

    let commit = Command::CommitReservation(order.current_reservation());
    assert_eq!(
        transition.commands,
        vec![commit, Command::BookShipment(order.shipment())]
    );
}

#[test]
fn money_and_stock_are_given_back_only_after_the_parcel_is_called_off() {
    let order = in_phase(Phase::Confirmed);
    let cancel = Input::Cancel {
        note: String::new(),
        actor: "c".into(),
    };

    let first = moved(&order, cancel);
    let mut order = order;
    order.saga = first.saga;
    let second = moved(
        &order,
        Input::Shipment(order.shipment(), ShipmentNews::Voided),
    );

    assert_eq!(
        first.commands,
        vec![Command::VoidShipment(order.shipment())]
    );
    assert_eq!(
        second.commands,
        vec![
            Command::VoidPayment(order.payment()),
            Command::ReleaseReservation(order.reservation(1)),
        ]
    );
}

#[test]
fn after_too_many_tries_an_undo_calls_a_person() {
    let mut order = in_phase(void_money());
    order.timer.attempts = Policy::default().tries_max;

    let transition = moved(&order, Input::Deadline);

    let stuck = transition.saga.phase.attention().map(|stuck| stuck.step);
    assert_eq!(stuck, Some(Step::VoidPayment));
    assert_eq!(transition.timer.at, None);
}

#[test]
fn a_late_answer_resolves_a_stuck_step() {
    let capturing = Phase::Capturing {
        parcel: Parcel::Delivered,
    };
    let order = in_phase(stuck(Step::CapturePayment, capturing));
    let input = Input::Payment(order.payment(), PaymentAnswer::Captured);

    let transition = moved(&order, input);

    assert_eq!(transition.saga.phase, Phase::Delivered);
}

#[test]
fn news_while_stuck_are_kept_for_later() {
    let capturing = Phase::Capturing {
        parcel: Parcel::HandedOver,
    };
    let order = in_phase(stuck(Step::CapturePayment, capturing));
    let input = Input::Shipment(order.shipment(), ShipmentNews::Delivered);

    let transition = moved(&order, input);

    let back = transition
        .saga
        .phase
        .attention()
        .map(|stuck| (*stuck.back).clone());
    assert_eq!(
        back,
        Some(Phase::Capturing {
            parcel: Parcel::Delivered
        })
    );
}

#[test]
fn a_refund_that_comes_back_after_the_return_calls_a_person_once() {
    let mut order = in_phase(Phase::Returned);
    let failed = |order: &Order| {
        let reason = "lost_or_stolen_card".to_owned();
        Input::Refund(order.refund(), RefundAnswer::Failed { reason })
    };

    let called = moved(&order, failed(&order));

    let stuck = called.saga.phase.attention();
    assert_eq!(stuck.map(|stuck| stuck.step), Some(Step::RefundPayment));
    assert_eq!(called.commands, [], "the same refund would fail again");
    order.saga = called.saga;
    assert_eq!(cell(&order, &failed(&order)), ".", "it is repeated");
    let by_hand = Input::Operator {
        actor: "ada".to_owned(),
        verb: Verb::Skip {
            reason: "paid by transfer".to_owned(),
        },
    };
    let settled = moved(&order, by_hand);
    assert_eq!(settled.saga.phase, Phase::Returned);
    order.saga = settled.saga;
    assert_eq!(cell(&order, &failed(&order)), ".", "once settled, it stays");
}
