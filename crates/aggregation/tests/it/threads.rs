//! Many threads at once: everything is counted once, batches appear as wholes in snapshots, and
//! what is forgotten beside it takes nothing along.

use std::sync::atomic::{AtomicBool, Ordering};

use tradepost_aggregation::{BatchId, Event, Grouping, MetricsProcessor, SnapshotKind};

use crate::{NOW, ask, config, processor, tenant};

const GOOD: Event<'static> = Event {
    time_ms: NOW,
    user_id: "",
    event_type: "order.placed",
    value: 1.0,
};
const TYPES: [&str; 4] = ["a", "b", "c", "d"];

fn total(node: &MetricsProcessor) -> u64 {
    ask(node, tenant(1), 1, Grouping::None)
        .lines
        .iter()
        .map(|line| line.count)
        .sum()
}

#[test]
fn threads_lose_nothing_and_count_nothing_twice() {
    let node = processor();
    let done = AtomicBool::new(false);

    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|thread| {
                let node = &node;
                scope.spawn(move || {
                    for step in 0..2_000_u64 {
                        let event_type = TYPES[(step % 4) as usize];
                        node.process_event(tenant(1), &Event { event_type, ..GOOD })
                            .unwrap();
                        // Two threads send the same batches: one of each is new.
                        let producer = if thread % 2 == 0 { "even" } else { "odd" };
                        let id = BatchId {
                            tenant: tenant(1),
                            producer,
                            sequence: step / 10 + 1,
                        };
                        node.process_batch(id, [GOOD; 5].into_iter(), NOW).unwrap();
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                node.forget_old(NOW);
                total(&node);
            }
        });
        workers
            .into_iter()
            .for_each(|worker| worker.join().unwrap());
        done.store(true, Ordering::Relaxed);
    });

    assert_eq!(total(&node), 4 * 2_000 + 2 * 200 * 5);
}

#[test]
fn a_snapshot_has_a_batch_as_a_whole_or_not_at_all() {
    let node = processor();
    let done = AtomicBool::new(false);

    std::thread::scope(|scope| {
        scope.spawn(|| {
            for sequence in 1..=300 {
                let id = BatchId {
                    tenant: tenant(1),
                    producer: "p",
                    sequence,
                };
                let events = (0..100).map(|step| Event {
                    event_type: TYPES[step % 4],
                    ..GOOD
                });
                node.process_batch(id, events, NOW).unwrap();
            }
            done.store(true, Ordering::Relaxed);
        });
        loop {
            let last = done.load(Ordering::Relaxed);
            let bytes = node.snapshot(SnapshotKind::Running, NOW);
            let restored = MetricsProcessor::restore(config(), &bytes, NOW).unwrap();
            assert_eq!(total(&restored) % 100, 0);
            // What it says was counted is what it has.
            let id = BatchId {
                tenant: tenant(1),
                producer: "p",
                sequence: 300,
            };
            let durable = restored
                .process_batch(id, [GOOD].into_iter(), NOW)
                .unwrap()
                .durable_sequence;
            let counted = total(&restored);
            assert_eq!(durable * 100, counted - counted % 100);
            if last {
                break;
            }
        }
    });
}
