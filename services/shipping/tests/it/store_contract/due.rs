//! Work that is due: done when its time has come, and by one worker.

use std::time::Duration;

use super::*;

pub(crate) async fn a_due_shipment_is_advanced_by_one_of_many_workers(
    store: &dyn ShipmentStore,
    pending: &dyn Pending,
) {
    let tenant = TenantId::new();
    let orders: Vec<OrderId> = (0..60).map(|_| OrderId::new()).collect();
    for &order in &orders {
        put(
            store,
            silent(labelled(tenant, order), Due::After(Duration::ZERO)),
        )
        .await;
    }
    let advance = |_: usize, stored: Option<Shipment>, _: OffsetDateTime| {
        Some(told(stored?, News::Lost, Due::Never))
    };
    let worker = async |_| {
        let mut mine = Vec::new();
        loop {
            match store.advance_due(7, &advance).await {
                Err(StoreError::Contended(_)) => {}
                Ok(done) if done.is_empty() => return mine,
                done => mine.extend(done.unwrap()),
            }
        }
    };

    let advanced: Vec<Shipment> = join_all((0..4).map(worker)).await.concat();

    let distinct: BTreeSet<ShipmentId> = advanced.iter().map(|shipment| shipment.id).collect();
    assert_eq!((advanced.len(), distinct.len()), (60, 60));
    assert!(advanced.iter().all(|shipment| shipment.version == 2));
    for order in orders {
        assert_eq!(pending.told(shipment_of(order)).await.len(), 1);
    }
}

pub(crate) async fn a_shipment_is_due_when_its_time_has_come(
    store: &dyn ShipmentStore,
    _pending: &dyn Pending,
) {
    let (tenant, order) = (TenantId::new(), OrderId::new());
    let day = Duration::from_secs(86_400);
    let written = async |version, due| {
        let shipment = labelled(tenant, order);
        put(
            store,
            silent(
                Shipment {
                    version,
                    ..shipment
                },
                due,
            ),
        )
        .await;
        let look = |_: usize, _: Option<Shipment>, _: OffsetDateTime| None;
        store.advance_due(10, &look).await.unwrap();
        let seen = AtomicUsize::new(0);
        let count = |_: usize, _: Option<Shipment>, _: OffsetDateTime| {
            seen.fetch_add(1, Ordering::SeqCst);
            None
        };
        store.advance_due(10, &count).await.unwrap();
        seen.into_inner()
    };

    assert_eq!(written(0, Due::AsBefore).await, 0);
    assert_eq!(written(1, Due::After(day)).await, 0);
    assert_eq!(written(2, Due::After(Duration::MAX)).await, 0);
    assert_eq!(written(3, Due::After(Duration::ZERO)).await, 1);
    assert_eq!(written(4, Due::AsBefore).await, 1);
    assert_eq!(written(5, Due::Never).await, 0);
    assert_eq!(written(6, Due::AsBefore).await, 0);
}

pub(crate) async fn who_waits_is_told_when_a_shipment_is_due(
    store: &dyn ShipmentStore,
    _pending: &dyn Pending,
) {
    let (tenant, day) = (TenantId::new(), Duration::from_secs(86_400));
    let leave = |_: usize, _: Option<Shipment>, _: OffsetDateTime| None;
    let move_on = |_: usize, stored: Option<Shipment>, _: OffsetDateTime| {
        Some(told(stored?, News::Lost, Due::After(Duration::ZERO)))
    };
    for due in [Due::Never, Due::AsBefore, Due::After(day)] {
        put(store, silent(labelled(tenant, OrderId::new()), due)).await;
    }
    assert_eq!(store.due().now_or_never(), None);

    let due_now = silent(labelled(tenant, OrderId::new()), Due::After(Duration::ZERO));
    put(store, due_now).await;
    store.due().await;

    // It is told again of what moved on, and of what one look had no room for.
    assert_eq!(store.advance_due(10, &move_on).await.unwrap().len(), 1);
    store.due().await;
    let due_now = silent(labelled(tenant, OrderId::new()), Due::After(Duration::ZERO));
    put(store, due_now).await;
    let rest =
        |_: usize, stored: Option<Shipment>, _: OffsetDateTime| Some(silent(stored?, Due::Never));
    for _ in 0..2 {
        store.due().await;
        assert_eq!(store.advance_due(1, &rest).await.unwrap().len(), 1);
    }

    store.advance_due(10, &leave).await.unwrap();
    assert_eq!(store.due().now_or_never(), None);
}
