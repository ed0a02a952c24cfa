//! The engine's locks under every order of threads that shuttle thinks of: no two threads wait for
//! each other, and nothing that was acknowledged is lost or counts twice.
//!
//! `cargo test -p tradepost-aggregation --features model --test model`
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use shuttle::scheduler::RandomScheduler;
use shuttle::sync::Arc;
use shuttle::{Runner, thread};
use tradepost_aggregation::{
    BatchId, Config, Event, Grouping, MetricsProcessor, Query, SnapshotKind,
};
use tradepost_types::TenantId;
use uuid::Uuid;

const NOW: i64 = 1_700_000_000_000;
/// A day and a bit: what was counted at [`NOW`] is forgotten then.
const MUCH_LATER: i64 = NOW + 90_000_000;
/// Orders that are tried of each scene.
const ORDERS: usize = 2_000;

/// What a thread has as its stack: an engine is built on it.
const STACK_BYTES: usize = 1 << 20;

fn try_orders(scene: impl Fn() + Send + Sync + 'static) {
    let mut config = shuttle::Config::new();
    config.stack_size = STACK_BYTES;
    Runner::new(RandomScheduler::new(ORDERS), config).run(scene);
}

fn tenant() -> TenantId {
    TenantId::from_uuid(Uuid::from_u128(7))
}

fn event(event_type: &'static str, time_ms: i64) -> Event<'static> {
    Event {
        time_ms,
        user_id: "",
        event_type,
        value: 1.0,
    }
}

fn engine() -> Arc<MetricsProcessor> {
    Arc::new(MetricsProcessor::new(Config::default()).unwrap())
}

fn total(engine: &MetricsProcessor, now_ms: i64) -> u64 {
    let query = Query {
        minutes: 5,
        event_types: &[],
        grouping: Grouping::None,
    };
    let answer = engine.aggregates(tenant(), query, now_ms).unwrap();
    answer.lines.iter().map(|line| line.count).sum()
}

fn batch(engine: &MetricsProcessor, sequence: u64, now_ms: i64) {
    let id = BatchId {
        tenant: tenant(),
        producer: "p",
        sequence,
    };
    let events = [event("a", now_ms), event("b", now_ms)];
    engine
        .process_batch(id, events.into_iter(), now_ms)
        .unwrap();
}

#[test]
fn threads_that_share_series_lose_nothing_while_somebody_asks() {
    try_orders(|| {
        let engine = engine();
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let engine = Arc::clone(&engine);
                thread::spawn(move || {
                    for event_type in ["a", "b", "a", "c"] {
                        let event = event(event_type, NOW);
                        engine.process_event_at(tenant(), &event, NOW).unwrap();
                    }
                    // What this thread was told is in what it asks for.
                    assert!(total(&engine, NOW) >= 4);
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(total(&engine, NOW), 12);
    });
}

#[test]
fn a_batch_that_two_threads_send_counts_once_beside_single_events() {
    try_orders(|| {
        let engine = engine();
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let engine = Arc::clone(&engine);
                thread::spawn(move || {
                    batch(&engine, 1, NOW);
                    let single = event("a", NOW);
                    engine.process_event_at(tenant(), &single, NOW).unwrap();
                    batch(&engine, 2, NOW);
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(total(&engine, NOW), 6);
    });
}

#[test]
fn what_comes_while_the_old_is_forgotten_counts() {
    try_orders(|| {
        let engine = engine();
        batch(&engine, 1, NOW);
        let forgetting = {
            let engine = Arc::clone(&engine);
            thread::spawn(move || engine.forget_old(MUCH_LATER))
        };
        let counting = {
            let engine = Arc::clone(&engine);
            thread::spawn(move || {
                for event_type in ["a", "c"] {
                    let event = event(event_type, MUCH_LATER);
                    engine
                        .process_event_at(tenant(), &event, MUCH_LATER)
                        .unwrap();
                }
                batch(&engine, 2, MUCH_LATER);
            })
        };
        forgetting.join().unwrap();
        counting.join().unwrap();
        assert_eq!(total(&engine, MUCH_LATER), 4);
    });
}

#[test]
fn a_snapshot_has_a_batch_as_a_whole_whatever_runs_beside_it() {
    try_orders(|| {
        let engine = engine();
        let writers: Vec<_> = (1..=2)
            .map(|sequence| {
                let engine = Arc::clone(&engine);
                thread::spawn(move || batch(&engine, sequence, NOW))
            })
            .collect();
        let bytes = engine.snapshot(SnapshotKind::Running, NOW);
        let restored = MetricsProcessor::restore(Config::default(), &bytes, NOW).unwrap();
        assert_eq!(total(&restored, NOW) % 2, 0);
        for writer in writers {
            writer.join().unwrap();
        }
        assert_eq!(total(&engine, NOW), 4);
    });
}
