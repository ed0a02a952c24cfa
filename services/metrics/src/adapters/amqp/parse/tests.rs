//! Facts of the order service, good and bad.

use prost::Name;
use tradepost_messaging::Outgoing;
use tradepost_proto::routing::Event as _;
use tradepost_types::TenantId;

use super::*;
use crate::domain::BatchName;

fn money(currency_code: &str, minor_units: i64) -> Option<common::Money> {
    Some(common::Money {
        currency_code: currency_code.to_owned(),
        minor_units,
    })
}

fn placed() -> pb::OrderPlaced {
    pb::OrderPlaced {
        order_id: "order_1".into(),
        customer_ref: "ann@example.com".into(),
        total: money("EUR", 2_500),
        line_count: 1,
        unit_count: 3,
    }
}

fn message<E: prost::Message + Name>(body: &E) -> Message {
    Outgoing::event(pb::OrderPlaced::KEY, TenantId::new(), body).message
}

fn read(message: &Message) -> Result<Option<Batch>, HandleError> {
    parse(message, Window::at(message.time, 10))
}

fn reason(read: Result<Option<Batch>, HandleError>) -> &'static str {
    match read {
        Err(HandleError::Poison { reason, .. }) => reason,
        other => panic!("no poison: {other:?}"),
    }
}

#[test]
fn a_fact_is_a_batch_of_its_tenant_at_its_time_and_of_no_person() {
    let message = message(&placed());

    let batch = read(&message).unwrap().unwrap();

    assert_eq!(batch.tenant, message.tenant);
    let types: Vec<&str> = batch.types.iter().map(|each| each.as_str()).collect();
    assert_eq!(types, ["order.placed", "order.placed.eur"]);
    let values: Vec<f64> = batch.events.iter().map(|event| event.value).collect();
    assert_eq!(values, [3.0, 2_500.0]);
    assert_eq!(batch.users, vec![Box::<str>::default()]);
    let at_ms = message.time.unix_timestamp_nanos() / 1_000_000;
    assert!(
        batch
            .events
            .iter()
            .all(|event| i128::from(event.at_ms) == at_ms)
    );
}

#[test]
fn a_refund_counts_with_its_money_and_not_without() {
    let refunded = |amount| {
        message(&pb::OrderRefunded {
            order_id: "order_1".into(),
            customer_ref: "ann@example.com".into(),
            refund_id: "refund_1".into(),
            amount,
            duration_ms: 7,
        })
    };

    let batch = read(&refunded(money("EUR", 300))).unwrap().unwrap();

    let types: Vec<&str> = batch.types.iter().map(|each| each.as_str()).collect();
    assert_eq!(types, ["order.refunded", "order.refunded.eur"]);
    let values: Vec<f64> = batch.events.iter().map(|event| event.value).collect();
    assert_eq!(values, [7.0, 300.0]);
    assert_eq!(reason(read(&refunded(None))), "unreadable_total");
}

#[test]
fn it_is_called_by_its_message_and_told_apart_by_its_body() {
    let first = message(&placed());
    let other_message = message(&placed());
    let mut other_body = first.clone();
    other_body.body = message(&pb::OrderPlaced {
        unit_count: 4,
        ..placed()
    })
    .body;
    let name = |message: &Message| match read(message).unwrap().unwrap().name {
        BatchName::Keyed { key, content } => (key, content),
        BatchName::Numbered { .. } => panic!("a message has no number"),
    };

    let (key, content) = name(&first);

    assert_eq!(name(&first), (key, content));
    assert_ne!(name(&other_message).0, key);
    assert_eq!(name(&other_body).0, key);
    assert_ne!(name(&other_body).1, content);
}

#[test]
fn what_cannot_be_counted_is_poison() {
    for (body, wanted) in [
        (
            pb::OrderPlaced {
                total: None,
                ..placed()
            },
            "unreadable_total",
        ),
        (
            pb::OrderPlaced {
                total: money("eur", 1),
                ..placed()
            },
            "unreadable_total",
        ),
        (
            pb::OrderPlaced {
                total: money("EUR", -1),
                ..placed()
            },
            "uncountable",
        ),
        (
            pb::OrderPlaced {
                unit_count: -1,
                ..placed()
            },
            "uncountable",
        ),
    ] {
        assert_eq!(reason(read(&message(&body))), wanted);
    }
    let mut torn = message(&placed());
    torn.body = torn.body.slice(..3);
    assert_eq!(reason(read(&torn)), "undecodable");
}

#[test]
fn a_fact_of_another_age_is_poison_and_one_of_a_clock_that_is_ahead_is_not() {
    let message = message(&placed());
    let at = |now| parse(&message, Window::at(now, 10));

    assert!(at(message.time + Duration::days(10)).is_ok());
    assert!(at(message.time - Duration::minutes(59)).is_ok());
    let too_old = at(message.time + Duration::days(10) + Duration::SECOND);
    assert_eq!(reason(too_old), "time_out_of_range");
    assert_eq!(
        reason(at(message.time - Duration::hours(2))),
        "time_out_of_range"
    );
}

#[test]
fn what_nobody_counts_is_passed_over() {
    let mut message = message(&placed());
    message.kind = "tradepost.order.event.v1.OrderArchived".into();

    assert!(read(&message).unwrap().is_none());
}
