//! The declared worst case of [`Config`] holds: a processor is filled to its bounds under an allocator
//! that counts, and never has more than it declared.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::alloc::System;

use cap::Cap;
use tradepost_aggregation::{BatchId, Config, Event, MetricsProcessor, PackedEvents};
use tradepost_types::TenantId;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

const MINUTE_MS: i64 = 60_000;
const DAY_MINUTES: i64 = 1_440;
const START_MS: i64 = 28_333_440 * MINUTE_MS;
/// More threads than there are fronts.
const THREADS: usize = 9;

/// Names as long as names may be.
fn name(letter: char, number: usize) -> String {
    format!("{letter}{}-{number:05}", "x".repeat(57))
}

fn config() -> Config {
    let config = Config {
        tenants_max: 20,
        series_max: 300,
        series_per_tenant_max: 15,
        producers_max: 400,
        producers_per_tenant_max: 20,
        sketch_bytes_max: 4 << 20,
        ..Config::default()
    };
    Config {
        memory_bytes_max: config.memory_bytes_worst(),
        ..config
    }
}

/// Every event type that there may be, with one beyond for each tenant, in every minute of a day.
fn fill(processor: &MetricsProcessor, tenants: &[TenantId], types: &[String]) {
    for minute in 0..DAY_MINUTES + 15 {
        let now_ms = START_MS + minute * MINUTE_MS;
        for tenant in tenants {
            for (place, event_type) in types.iter().enumerate() {
                let spread =
                    i32::try_from(place).unwrap() * 7 + i32::try_from(minute % 97).unwrap();
                let event = Event {
                    time_ms: now_ms,
                    user_id: "",
                    event_type,
                    value: 1.07_f64.powi(spread % 300),
                };
                processor.process_event_at(*tenant, &event, now_ms).unwrap();
            }
        }
        if minute % 60 == 0 {
            processor.forget_old(now_ms);
        }
    }
}

/// As many values as may wait, by more threads than may keep some of their own.
fn crowd(processor: &MetricsProcessor, tenants: &[TenantId], types: &[String]) {
    let now_ms = START_MS + (DAY_MINUTES + 14) * MINUTE_MS;
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(move || {
                for _ in 0..300 {
                    for tenant in tenants {
                        for event_type in types {
                            let event = Event {
                                time_ms: now_ms,
                                user_id: "",
                                event_type,
                                value: 5.0,
                            };
                            processor.process_event_at(*tenant, &event, now_ms).unwrap();
                        }
                    }
                }
            });
        }
    });
}

/// As many producers as there may be.
fn producers(processor: &MetricsProcessor, tenants: &[TenantId], types: &[String]) {
    let now_ms = START_MS + (DAY_MINUTES + 14) * MINUTE_MS;
    let records = [0_u8; 20];
    for tenant in tenants {
        for number in 0..20 {
            let producer = name('p', number);
            let id = BatchId {
                tenant: *tenant,
                producer: &producer,
                sequence: 1,
            };
            let events = PackedEvents {
                base_time_ms: now_ms,
                event_types: types,
                user_ids: &[],
                records: &records,
            };
            assert_eq!(
                processor
                    .process_packed(id, events, now_ms)
                    .unwrap()
                    .accepted,
                1
            );
        }
    }
}

#[test]
fn filled_to_its_bounds_it_never_has_more_than_it_declared() {
    let tenants: Vec<_> = (0..20).map(|_| TenantId::new()).collect();
    // One more than a tenant may have: the last one overflows.
    let types: Vec<_> = (0..16).map(|number| name('t', number)).collect();
    let before = ALLOCATOR.allocated();

    let processor = MetricsProcessor::new(config()).unwrap();
    fill(&processor, &tenants, &types);
    producers(&processor, &tenants, &types);
    crowd(&processor, &tenants, &types);

    let most = ALLOCATOR.max_allocated() - before;
    let declared = config().memory_bytes_worst();
    let usage = processor.usage();
    assert_eq!(
        (usage.tenants, usage.series, usage.producers),
        (20, 300, 400)
    );
    assert!(most <= declared, "{most} bytes of {declared} declared");
    // Nor is it declared for nothing: but for the fronts, which only many thousand series fill.
    let series = Config {
        series_max: 0,
        tenants_max: 0,
        ..config()
    }
    .memory_bytes_worst();
    let of_series = declared - series;
    let held = ALLOCATOR.allocated() - before;
    assert!(
        held * 10 >= of_series * 7,
        "{held} bytes, {of_series} declared of series"
    );
}

#[test]
fn the_default_declares_what_it_needs_and_hardly_more() {
    let config = Config::default();
    let (needed, declared) = (config.memory_bytes_worst(), config.memory_bytes_max);

    assert!(needed <= declared);
    assert!(declared - needed <= needed / 100, "{needed} of {declared}");
}
