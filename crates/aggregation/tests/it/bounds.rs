//! Nothing grows past what was declared, and totals stay right when it would.

use tradepost_aggregation::{
    BatchError, BatchId, Config, ConfigError, Counted, Event, Grouping, MetricsProcessor, Reason,
};

use crate::{NOW, ask, config, processor, tenant};

const GOOD: Event<'static> = Event {
    time_ms: NOW,
    user_id: "",
    event_type: "order.placed",
    value: 1.0,
};

#[test]
fn a_configuration_that_could_take_more_than_it_declares_is_refused() {
    let needed = config().memory_bytes_worst();
    let tight = Config {
        memory_bytes_max: needed,
        ..config()
    };
    let short = Config {
        memory_bytes_max: needed - 1,
        ..config()
    };

    assert!(MetricsProcessor::new(tight).is_ok());
    let expected = ConfigError::MemoryTooSmall {
        needed,
        declared: needed - 1,
    };
    assert_eq!(MetricsProcessor::new(short).err(), Some(expected));
}

#[test]
fn bounds_out_of_range_are_refused_by_name() {
    let none = Config {
        tenants_max: 0,
        ..config()
    };

    let refused = MetricsProcessor::new(none).err();

    let expected = ConfigError::OutOfRange {
        name: "tenants_max",
        least: 1,
        most: 100_000,
    };
    assert_eq!(refused, Some(expected));
}

#[test]
fn event_types_past_the_bound_count_in_the_overflow_series() {
    let small = Config {
        series_per_tenant_max: 2,
        ..config()
    };
    let node = MetricsProcessor::new(small).unwrap();
    for (event_type, value) in [("a", 1.0), ("b", 2.0), ("c", 4.0), ("d", 8.0), ("a", 16.0)] {
        node.process_event(
            tenant(1),
            &Event {
                event_type,
                value,
                ..GOOD
            },
        )
        .unwrap();
    }
    let id = BatchId {
        tenant: tenant(1),
        producer: "p",
        sequence: 1,
    };
    let events = ["c", "b"].map(|event_type| Event {
        event_type,
        value: 32.0,
        ..GOOD
    });

    let receipt = node.process_batch(id, events.into_iter(), NOW).unwrap();

    assert_eq!((receipt.accepted, receipt.overflowed), (2, 1));
    let answer = ask(&node, tenant(1), 1, Grouping::None);
    let found: Vec<_> = answer
        .lines
        .iter()
        .map(|line| (line.event_type.as_str(), line.count, line.sum))
        .collect();
    assert_eq!(
        found,
        [("__other__", 3, 44.0), ("a", 2, 17.0), ("b", 2, 34.0)]
    );
    assert_eq!(answer.irregularities.overflowed, 3);
}

#[test]
fn the_bound_of_all_event_types_holds_over_tenants_and_each_has_its_overflow() {
    let small = Config {
        series_max: 1,
        ..config()
    };
    let node = MetricsProcessor::new(small).unwrap();

    for number in 0..3 {
        node.process_event(tenant(number), &GOOD).unwrap();
    }

    assert_eq!(node.usage().series, 1);
    for (number, expected) in [(0, "order.placed"), (1, "__other__"), (2, "__other__")] {
        let lines = ask(&node, tenant(number), 1, Grouping::None).lines;
        assert_eq!(
            (lines[0].event_type.as_str(), lines[0].count),
            (expected, 1)
        );
    }
}

#[test]
fn tenants_and_producers_past_the_bound_are_refused() {
    let small = Config {
        tenants_max: 1,
        producers_max: 2,
        producers_per_tenant_max: 1,
        ..config()
    };
    let node = MetricsProcessor::new(small).unwrap();
    let send = |of, producer| {
        let id = BatchId {
            tenant: tenant(of),
            producer,
            sequence: 1,
        };
        node.process_batch(id, [GOOD].into_iter(), NOW).err()
    };

    assert_eq!(send(1, "p"), None);
    assert_eq!(send(1, "q"), Some(BatchError::ProducersFull));
    assert_eq!(send(2, "p"), Some(BatchError::TenantsFull));
    assert_eq!(
        node.process_event(tenant(2), &GOOD),
        Err(Reason::TenantsFull)
    );
}

#[test]
fn what_is_a_day_old_makes_room() {
    let small = Config {
        tenants_max: 1,
        producers_max: 1,
        series_per_tenant_max: 1,
        ..config()
    };
    let node = MetricsProcessor::new(small).unwrap();
    let send = |of, now_ms| {
        let id = BatchId {
            tenant: tenant(of),
            producer: "p",
            sequence: 1,
        };
        node.process_batch(
            id,
            [Event {
                time_ms: now_ms,
                ..GOOD
            }]
            .into_iter(),
            now_ms,
        )
        .err()
    };
    assert_eq!(send(1, NOW), None);

    let tomorrow = NOW + 86_400_000;
    node.forget_old(tomorrow - 60_000);
    assert_eq!(send(2, tomorrow - 60_000), Some(BatchError::TenantsFull));
    node.forget_old(tomorrow + 60_000);

    assert_eq!(node.usage().tenants, 0);
    assert_eq!(send(2, tomorrow + 60_000), None);
    assert_eq!(node.usage().series, 1);
}

#[test]
fn sketches_past_their_memory_cost_the_oldest_percentiles_and_no_count() {
    let small = Config {
        sketch_bytes_max: 16 << 20,
        ..config()
    };
    let node = MetricsProcessor::new(small).unwrap();
    let mut sent = 0_u64;
    for minute in (0..1_000).rev() {
        for step in 0..200_i32 {
            let value = 1.1_f64.powi(step);
            let event = Event {
                time_ms: NOW - minute * 60_000,
                value,
                ..GOOD
            };
            node.process_event(tenant(1), &event).unwrap();
            sent += 1;
        }
    }

    assert!(node.usage().sketch_bytes <= 16 << 20);
    let whole = ask(&node, tenant(1), 1_440, Grouping::None);
    assert_eq!(whole.lines[0].count, sent);
    assert_eq!(whole.lines[0].sketch, None, "a part of it is gone");
    let minutes = ask(&node, tenant(1), 1_440, Grouping::Minute).lines;
    assert!(minutes[0].sketch.is_none());
    assert_eq!(
        minutes[minutes.len() - 1].sketch.as_ref().unwrap().count(),
        200
    );
    let kept = minutes.iter().filter(|line| line.sketch.is_some()).count();
    let tail = minutes
        .iter()
        .rev()
        .take_while(|line| line.sketch.is_some())
        .count();
    assert_eq!(kept, tail, "the oldest go first");
    assert!(kept >= 20, "only {kept} minutes were kept");
}

#[test]
fn late_events_of_many_minutes_count_in_any_order() {
    let node = processor();
    for round in 0..3 {
        for minute in 0..100_i64 {
            let event = Event {
                time_ms: NOW - minute * 60_000,
                value: f64::from(round),
                ..GOOD
            };
            let counted = node.process_event(tenant(1), &event).unwrap();
            assert_eq!(counted == Counted::Late, minute > 2);
        }
        node.forget_old(NOW);
    }

    let lines = ask(&node, tenant(1), 100, Grouping::Minute).lines;

    assert_eq!(lines.len(), 100);
    for line in lines {
        assert_eq!((line.count, line.sum), (3, 3.0));
        assert_eq!(line.sketch.unwrap().count(), 3);
    }
}
