//! Events that another store has taken: all that are live count, and nothing is remembered of them.

use tradepost_aggregation::{Config, Event, Grouping, MetricsProcessor, SnapshotKind};
use tradepost_types::TenantId;

use crate::{NOW, ask, config, processor, tenant};

fn event(time_ms: i64) -> Event<'static> {
    Event {
        time_ms,
        user_id: "",
        event_type: "a",
        value: 1.0,
    }
}

#[test]
fn any_number_of_stored_events_counts_and_no_producer_is_remembered() {
    let node = processor();

    for _ in 0..2 {
        let events = (0..30_000).map(|number| event(NOW - number % 300_000));
        let receipt = node.process_stored(tenant(1), events, NOW);
        assert_eq!(receipt.accepted, 30_000);
    }

    let answer = ask(&node, tenant(1), 60, Grouping::None);
    assert_eq!((answer.lines[0].count, node.usage().producers), (60_000, 0));
}

#[test]
fn stored_events_that_are_not_live_are_no_fault_and_take_no_place() {
    let node = processor();
    let old = event(NOW - 2 * 86_400_000);
    let late = event(NOW - 180_000);

    let nothing = node.process_stored(tenant(1), [old, old].into_iter(), NOW);
    let tenants = node.usage().tenants;
    let receipt = node.process_stored(tenant(1), [old, late].into_iter(), NOW);

    assert_eq!((nothing.accepted, nothing.rejected, tenants), (0, 0, 0));
    assert_eq!(
        (receipt.accepted, receipt.late, receipt.rejected),
        (1, 1, 0)
    );
    let noted = node.irregularities(tenant(1));
    assert_eq!(noted.too_old, 0);
}

fn since_ms(node: &MetricsProcessor, of: TenantId) -> i64 {
    ask(node, of, 60, Grouping::None).counted_since_ms
}

#[test]
fn an_event_ahead_of_the_clock_is_missed_and_answers_about_its_tenant_say_so() {
    let node = processor();
    let ahead = event(NOW + 600_000);
    let live = node.process_stored(tenant(1), [event(NOW), ahead].into_iter(), NOW);
    assert_eq!((live.accepted, live.missed), (1, 1));

    // Nothing of this tenant is live, so it takes no place.
    let receipt = node.process_stored(tenant(2), [ahead, ahead].into_iter(), NOW);
    node.process_stored(tenant(3), [event(NOW)].into_iter(), NOW);

    assert_eq!((receipt.accepted, receipt.missed), (0, 2));
    assert_eq!(node.usage().tenants, 2);
    let incomplete_until = NOW + 600_001;
    for number in 1..=3 {
        // The third came to be known after the note about tenants that were not.
        assert_eq!(since_ms(&node, tenant(number)), incomplete_until);
    }
}

#[test]
fn what_is_missed_of_one_tenant_leaves_the_answers_about_others_complete() {
    let node = processor();
    for number in 1..=2 {
        node.process_stored(tenant(number), [event(NOW)].into_iter(), NOW);
    }

    node.process_stored(tenant(1), [event(NOW + 600_000)].into_iter(), NOW);

    assert_eq!(since_ms(&node, tenant(1)), NOW + 600_001);
    assert_eq!(
        (since_ms(&node, tenant(2)), since_ms(&node, tenant(9))),
        (NOW, NOW)
    );
}

#[test]
fn events_of_a_tenant_for_whom_there_is_no_place_are_missed() {
    let small = Config {
        tenants_max: 1,
        clock: || NOW - 3_600_000,
        ..config()
    };
    let node = MetricsProcessor::new(small).unwrap();
    node.process_stored(tenant(1), [event(NOW)].into_iter(), NOW);

    let late = [
        event(NOW - 60_000),
        event(NOW - 30_000),
        event(NOW - 90_000),
    ];
    let receipt = node.process_stored(tenant(2), late.into_iter(), NOW);

    assert_eq!((receipt.accepted, receipt.missed), (0, 3));
    assert_eq!(since_ms(&node, tenant(1)), NOW - 3_600_000);
    assert_eq!(since_ms(&node, tenant(2)), NOW - 29_999);
}

#[test]
fn what_was_missed_is_remembered_over_a_restart_and_when_its_tenant_is_forgotten() {
    let node = processor();
    node.process_stored(
        tenant(1),
        [event(NOW), event(NOW + 600_000)].into_iter(),
        NOW,
    );

    for kind in [SnapshotKind::Running, SnapshotKind::Final] {
        let bytes = node.snapshot(kind, NOW);
        let restored = MetricsProcessor::restore(config(), &bytes, NOW).unwrap();
        assert_eq!(since_ms(&restored, tenant(1)), NOW + 600_001);
    }
    node.forget_old(NOW + 2 * 86_400_000);

    assert_eq!(node.usage().tenants, 0);
    assert_eq!(since_ms(&node, tenant(1)), NOW + 600_001);
}
