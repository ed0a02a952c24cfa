use time::OffsetDateTime;
use tradepost_types::{Currency, Money};

use super::*;
use crate::domain::{Address, Details, NewOrder, Timer};

fn order_at(id: OrderId, version: i64) -> Order {
    Order {
        tenant: TenantId::new(),
        id,
        details: Details {
            customer_ref: "c".into(),
            total: Money::new(100, Currency::GBP),
            weight_grams: 1,
            line_count: 1,
            unit_count: 1,
            payment_method: "pm".into(),
            address: Address::default(),
            traceparent: None,
        },
        saga_version: 1,
        saga: NewOrder::first_saga(),
        version,
        created_at: OffsetDateTime::UNIX_EPOCH,
        updated_at: OffsetDateTime::UNIX_EPOCH,
        timer: Timer {
            at: None,
            attempts: 0,
        },
    }
}

/// What a watcher is told after those changes, if anything.
fn told(listener: &mut watch::Receiver<News>) -> Option<Option<i64>> {
    let changed = listener.has_changed().unwrap_or(false);
    changed.then(|| match &*listener.borrow_and_update() {
        News::Look => None,
        News::Order(order) => Some(order.version),
    })
}

#[test]
fn the_newest_order_is_told_and_older_news_of_it_are_not() {
    let (changes, id) = (Changes::default(), OrderId::new());
    let mut listener = changes.subscribe(TenantId::new(), id);

    changes.notify([order_at(id, 3), order_at(OrderId::new(), 9)]);
    assert_eq!(told(&mut listener), Some(Some(3)));

    // Two transactions may commit in one order and tell of it in the other.
    changes.notify([order_at(id, 2)]);
    assert_eq!(told(&mut listener), None);
}

#[test]
fn the_poll_sends_only_those_to_look_who_do_not_know() {
    let (changes, id) = (Changes::default(), OrderId::new());
    let mut listener = changes.subscribe(TenantId::new(), id);
    changes.notify([order_at(id, 3)]);
    assert_eq!(told(&mut listener), Some(Some(3)));

    changes.saw(&HashMap::from([(id, 3)]));
    assert_eq!(told(&mut listener), None);

    changes.saw(&HashMap::from([(id, 4)]));
    assert_eq!(told(&mut listener), Some(None));

    // Our own news of what the poll has seen would hide nothing, and tell nothing new.
    changes.notify([order_at(id, 4)]);
    assert_eq!(told(&mut listener), None);
}

#[test]
fn an_order_that_nobody_watches_any_more_is_forgotten() {
    let (changes, id) = (Changes::default(), OrderId::new());
    let listener = changes.subscribe(TenantId::new(), id);
    assert_eq!(changes.watched().len(), 1);

    drop(listener);

    assert!(changes.watched().is_empty());
}
