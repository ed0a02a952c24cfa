//! Events that another store has taken: all that are live count, and nothing is remembered of them.

use tradepost_aggregation::{Event, Grouping};

use crate::{NOW, ask, processor, tenant};

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
