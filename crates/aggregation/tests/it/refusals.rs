//! What is wrong is refused one by one, and counted by why.

use tradepost_aggregation::{
    BatchError, BatchId, Counted, Event, Grouping, Irregularities, PackedEvents, Query, QueryError,
    Reason,
};

use crate::{NOW, ask, processor, tenant};

const GOOD: Event<'static> = Event {
    time_ms: NOW,
    user_id: "u",
    event_type: "order.placed",
    value: 1.0,
};

fn id(sequence: u64) -> BatchId<'static> {
    BatchId {
        tenant: tenant(1),
        producer: "p",
        sequence,
    }
}

#[test]
fn bad_events_are_refused_with_index_and_reason_and_the_good_ones_count() {
    let node = processor();
    let long = "x".repeat(129);
    let events = [
        GOOD,
        Event {
            value: f64::NAN,
            ..GOOD
        },
        Event {
            value: f64::INFINITY,
            ..GOOD
        },
        Event {
            event_type: "Nope",
            ..GOOD
        },
        GOOD,
        Event {
            user_id: &long,
            ..GOOD
        },
        Event {
            time_ms: Event::NO_TIME,
            ..GOOD
        },
        Event {
            time_ms: NOW + 5_001,
            ..GOOD
        },
        Event {
            time_ms: NOW - 86_500_000,
            ..GOOD
        },
        Event {
            time_ms: NOW - 300_000,
            ..GOOD
        },
        Event {
            event_type: "__other__",
            ..GOOD
        },
    ];

    let receipt = node.process_batch(id(1), events.into_iter(), NOW).unwrap();

    assert_eq!(
        (receipt.accepted, receipt.late, receipt.rejected),
        (3, 1, 8)
    );
    let expected = vec![
        (1, Reason::ValueNotFinite),
        (2, Reason::ValueNotFinite),
        (3, Reason::EventTypeInvalid),
        (5, Reason::UserIdInvalid),
        (6, Reason::TimeInvalid),
        (7, Reason::InFuture),
        (8, Reason::TooOld),
        (10, Reason::EventTypeInvalid),
    ];
    assert_eq!(receipt.rejections, expected);
    let noted = node.irregularities(tenant(1));
    let expected = Irregularities {
        late: 1,
        too_old: 1,
        in_future: 1,
        invalid: 6,
        ..noted
    };
    assert_eq!(noted, expected);
    assert_eq!(ask(&node, tenant(1), 10, Grouping::None).lines[0].count, 3);
}

#[test]
fn records_are_refused_with_index_and_reason_and_the_good_ones_count() {
    let node = processor();
    let long = "x".repeat(129);
    let record = |after: u32, kind: u32, user: u32, value: f64| {
        [
            &after.to_le_bytes()[..],
            &kind.to_le_bytes(),
            &user.to_le_bytes(),
            &value.to_le_bytes(),
        ]
        .concat()
    };
    let records = [
        record(0, 0, 0, 1.0),
        record(0, 2, 0, 1.0),
        record(0, 0, 3, 1.0),
        record(0, 1, 0, 1.0),
        record(0, 0, 2, 1.0),
        record(6_000, 0, 0, 1.0),
        record(0, 0, 1, f64::NEG_INFINITY),
        record(1, 0, 1, 2.0),
    ]
    .concat();
    let events = PackedEvents {
        base_time_ms: NOW,
        event_types: &["order.placed", "NOPE"],
        user_ids: &["u", &long],
        records: &records,
    };

    let receipt = node.process_packed(id(1), events, NOW).unwrap();

    assert_eq!((receipt.accepted, receipt.rejected), (2, 6));
    let expected = vec![
        (1, Reason::PlaceUnknown),
        (2, Reason::PlaceUnknown),
        (3, Reason::EventTypeInvalid),
        (4, Reason::UserIdInvalid),
        (5, Reason::InFuture),
        (6, Reason::ValueNotFinite),
    ];
    assert_eq!(receipt.rejections, expected);
}

#[test]
fn a_receipt_lists_a_hundred_refusals_and_counts_all() {
    let node = processor();
    let bad = Event {
        value: f64::NAN,
        ..GOOD
    };

    let receipt = node
        .process_batch(id(1), [bad; 150].into_iter(), NOW)
        .unwrap();

    assert_eq!((receipt.rejected, receipt.rejections.len()), (150, 100));
}

#[test]
fn a_batch_that_cannot_be_counted_takes_no_sequence() {
    let node = processor();
    let none: [Event<'_>; 0] = [];
    let send =
        |id, events: &[Event<'static>]| node.process_batch(id, events.iter().copied(), NOW).err();

    assert_eq!(send(id(0), &[GOOD]), Some(BatchError::SequenceInvalid));
    let nobody = BatchId {
        producer: "",
        ..id(1)
    };
    assert_eq!(send(nobody, &[GOOD]), Some(BatchError::ProducerInvalid));
    let odd = BatchId {
        producer: "a b",
        ..id(1)
    };
    assert_eq!(send(odd, &[GOOD]), Some(BatchError::ProducerInvalid));
    assert_eq!(send(id(1), &none), Some(BatchError::SizeInvalid));
    assert_eq!(send(id(1), &[GOOD; 10_001]), Some(BatchError::SizeInvalid));
    let cut = PackedEvents {
        base_time_ms: NOW,
        event_types: &["a"],
        user_ids: &[],
        records: &[0; 21],
    };
    assert_eq!(
        node.process_packed(id(1), cut, NOW).err(),
        Some(BatchError::RecordsMalformed)
    );
    assert_eq!(send(id(1), &[GOOD]), None);
}

#[test]
fn single_events_say_why_they_did_not_count() {
    let node = processor();
    let process = |event: Event<'_>| node.process_event(tenant(1), &event);

    assert_eq!(process(GOOD), Ok(Counted::InTime));
    assert_eq!(
        process(Event {
            time_ms: NOW - 200_000,
            ..GOOD
        }),
        Ok(Counted::Late)
    );
    assert_eq!(
        process(Event {
            time_ms: NOW - 200_000,
            ..GOOD
        }),
        Ok(Counted::Late)
    );
    assert_eq!(
        process(Event {
            value: f64::NAN,
            ..GOOD
        }),
        Err(Reason::ValueNotFinite)
    );
    assert_eq!(
        process(Event {
            event_type: "",
            ..GOOD
        }),
        Err(Reason::EventTypeInvalid)
    );
    assert_eq!(
        process(Event {
            event_type: "__other__",
            ..GOOD
        }),
        Err(Reason::EventTypeInvalid)
    );

    let noted = node.irregularities(tenant(1));
    assert_eq!((noted.late, noted.invalid), (2, 3));
    assert_eq!(node.irregularities(tenant(2)), Irregularities::default());
}

#[test]
fn a_duplicate_is_told_and_its_events_are_noted() {
    let node = processor();
    node.process_batch(id(1), [GOOD; 3].into_iter(), NOW)
        .unwrap();

    let receipt = node
        .process_batch(id(1), [GOOD; 3].into_iter(), NOW)
        .unwrap();

    assert!(receipt.duplicate);
    assert_eq!((receipt.accepted, receipt.rejected), (0, 0));
    assert_eq!(node.irregularities(tenant(1)).duplicate, 3);
}

#[test]
fn windows_that_are_not_kept_are_refused() {
    let node = processor();
    let ask = |minutes, grouping| {
        node.aggregates(
            tenant(1),
            Query {
                minutes,
                event_types: &[],
                grouping,
            },
            NOW,
        )
        .err()
    };

    for (minutes, grouping) in [
        (0, Grouping::None),
        (1_441, Grouping::None),
        (3, Grouping::Second),
    ] {
        assert_eq!(ask(minutes, grouping), Some(QueryError::WindowInvalid));
    }
    assert_eq!(ask(1_440, Grouping::Minute), None);
    assert_eq!(ask(2, Grouping::Second), None);
}

#[test]
fn an_answer_that_is_too_long_is_refused() {
    let node = processor();
    for minute in 0..101 {
        for kind in 0..100 {
            let event_type = format!("kind-{kind}");
            let event = Event {
                time_ms: NOW - minute * 60_000,
                event_type: &event_type,
                ..GOOD
            };
            node.process_event(tenant(1), &event).unwrap();
        }
    }
    let ask = |grouping| {
        node.aggregates(
            tenant(1),
            Query {
                minutes: 1_440,
                event_types: &[],
                grouping,
            },
            NOW,
        )
    };

    assert_eq!(ask(Grouping::Minute).err(), Some(QueryError::TooManyLines));
    assert_eq!(ask(Grouping::None).unwrap().lines.len(), 100);
}

#[test]
fn only_the_event_types_asked_for_are_answered() {
    let node = processor();
    for event_type in ["a", "b", "c"] {
        node.process_event(tenant(1), &Event { event_type, ..GOOD })
            .unwrap();
    }
    let query = Query {
        minutes: 1,
        event_types: &["a", "c", "unknown"],
        grouping: Grouping::None,
    };

    let answer = node.aggregates(tenant(1), query, NOW).unwrap();

    let found: Vec<_> = answer
        .lines
        .iter()
        .map(|line| line.event_type.as_str())
        .collect();
    assert_eq!(found, ["a", "c"]);
    assert_eq!(answer.rate_per_second(&answer.lines[0]), 1_000.0 / 43_456.0);
}
