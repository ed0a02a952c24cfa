//! Snapshots: whole or refused, and honest about what they miss.

use proptest::prelude::*;
use tradepost_aggregation::{
    BatchId, Config, Event, Grouping, MetricsProcessor, SnapshotError, SnapshotKind,
};

use crate::{NOW, ask, config, processor, tenant};

const GOOD: Event<'static> = Event {
    time_ms: NOW,
    user_id: "",
    event_type: "order.placed",
    value: 1.5,
};

fn send(node: &MetricsProcessor, sequence: u64) -> u64 {
    let id = BatchId {
        tenant: tenant(1),
        producer: "p",
        sequence,
    };
    node.process_batch(id, [GOOD].into_iter(), NOW)
        .unwrap()
        .durable_sequence
}

#[test]
fn receipts_say_what_a_stored_snapshot_holds() {
    let node = processor();

    assert_eq!(send(&node, 1), 0);
    let bytes = node.snapshot(SnapshotKind::Running, NOW);
    assert_eq!(send(&node, 2), 0, "taken, but not stored yet");
    node.snapshot_stored();
    assert_eq!(send(&node, 3), 1);

    let node = MetricsProcessor::restore(config(), &bytes, NOW).unwrap();
    assert_eq!(send(&node, 1), 1, "it is a duplicate now");
    assert_eq!(send(&node, 2), 1);
    assert_eq!(ask(&node, tenant(1), 1, Grouping::None).lines[0].count, 2);
}

#[test]
fn nothing_was_missed_after_a_stop_and_something_after_a_crash() {
    let then = || NOW - 3_600_000;
    let node = MetricsProcessor::new(Config {
        clock: then,
        ..config()
    })
    .unwrap();
    send(&node, 1);
    let since = |kind| {
        let bytes = node.snapshot(kind, NOW - 1_000);
        let restored = MetricsProcessor::restore(config(), &bytes, NOW).unwrap();
        ask(&restored, tenant(1), 1, Grouping::None).counted_since_ms
    };

    assert_eq!(since(SnapshotKind::Final), NOW - 3_600_000);
    assert_eq!(since(SnapshotKind::Running), NOW);
}

#[test]
fn what_is_older_than_a_day_is_not_restored() {
    let node = processor();
    send(&node, 1);
    let bytes = node.snapshot(SnapshotKind::Final, NOW);

    let later = NOW + 86_400_000 + 60_000;
    let node = MetricsProcessor::restore(config(), &bytes, later).unwrap();
    node.forget_old(later);

    assert_eq!(node.usage().series, 0);
    assert_eq!(node.usage().sketch_bytes, 0);
}

#[test]
fn other_versions_and_other_things_are_refused() {
    let node = processor();
    let mut bytes = node.snapshot(SnapshotKind::Final, NOW);
    bytes[7] = 9;

    let refused = |bytes: &[u8]| MetricsProcessor::restore(config(), bytes, NOW).err();
    assert_eq!(refused(&bytes), Some(SnapshotError::Version(9)));
    assert_eq!(refused(b""), Some(SnapshotError::Damaged));
    assert_eq!(
        refused(b"something else entirely"),
        Some(SnapshotError::Damaged)
    );
}

#[test]
fn a_snapshot_that_does_not_fit_is_refused() {
    let node = processor();
    for number in 0..3 {
        node.process_event(tenant(number), &GOOD).unwrap();
    }
    let bytes = node.snapshot(SnapshotKind::Final, NOW);

    let small = Config {
        tenants_max: 2,
        ..config()
    };
    let refused = MetricsProcessor::restore(small, &bytes, NOW).err();
    assert_eq!(refused, Some(SnapshotError::DoesNotFit));
}

#[test]
fn event_types_without_room_are_restored_into_the_overflow_series() {
    let node = processor();
    for event_type in ["a", "b", "c"] {
        node.process_event(tenant(1), &Event { event_type, ..GOOD })
            .unwrap();
    }
    let bytes = node.snapshot(SnapshotKind::Final, NOW);

    let small = Config {
        series_per_tenant_max: 1,
        ..config()
    };
    let node = MetricsProcessor::restore(small, &bytes, NOW).unwrap();

    let answer = ask(&node, tenant(1), 1, Grouping::None);
    let found: Vec<_> = answer
        .lines
        .iter()
        .map(|line| (line.event_type.as_str(), line.count))
        .collect();
    assert_eq!(found, [("__other__", 2), ("a", 1)]);
    assert!(answer.lines[0].sketch.is_some());
}

proptest! {
    #[test]
    fn a_damaged_snapshot_is_an_error_and_never_a_panic(
        at in any::<prop::sample::Index>(),
        change in 1..=255_u8,
        mend in any::<bool>(),
    ) {
        let node = processor();
        for sequence in 1..5 {
            send(&node, sequence);
        }
        let mut bytes = node.snapshot(SnapshotKind::Running, NOW);
        let at = at.index(bytes.len());
        bytes[at] ^= change;
        if mend {
            // Even if the checksum says that all is well.
            let end = bytes.len() - 4;
            let sum = crc32fast::hash(&bytes[..end]);
            bytes[end..].copy_from_slice(&sum.to_le_bytes());
            let _restored_or_not = MetricsProcessor::restore(config(), &bytes, NOW);
        } else {
            prop_assert!(MetricsProcessor::restore(config(), &bytes, NOW).is_err());
        }
        prop_assert!(MetricsProcessor::restore(config(), &bytes[..at], NOW).is_err());
    }
}
