//! What every store of shipments must do, whatever it is made of. Each function takes a fresh one.

mod due;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::join_all;
use time::OffsetDateTime;
use time::macros::datetime;
use tradepost_messaging::{Message, Outgoing};
use tradepost_proto::shipping::command::v1::VoidShipment;
use tradepost_shipping::domain::{
    Booking, Details, News, Parcel, Refusal, Shipment, State, Tracking,
};
use tradepost_shipping::ports::{
    Decide, Decision, Due, RequestKey, ShipmentStore, StoreError, Target,
};
use tradepost_types::{Currency, Money, OrderId, ShipmentId, TenantId};

pub(crate) use due::{
    a_due_shipment_is_advanced_by_one_of_many_workers, a_shipment_is_due_when_its_time_has_come,
    who_waits_is_told_when_a_shipment_is_due,
};

use crate::support::{address, shipment_of};

const NOON: OffsetDateTime = datetime!(2026-01-01 12:00 UTC);

/// What a store is about to tell: the routing keys and versions of a shipment's messages.
#[async_trait]
pub(crate) trait Pending: Send + Sync {
    async fn told(&self, id: ShipmentId) -> Vec<(String, i64)>;
}

fn parcel(order: OrderId) -> Parcel {
    Parcel {
        id: shipment_of(order),
        order,
        destination: address("Yorkshire"),
        weight_grams: 1_500,
        currency: Currency::JPY,
    }
}

fn details(order: OrderId) -> Details {
    Details {
        destination: parcel(order).destination,
        weight_grams: 1_500,
        cost: Money::new(550, Currency::JPY),
        booking: Booking {
            carrier: "table-rate".into(),
            service_level: "standard".into(),
            tracking_number: "TR1".into(),
            label_reference: "label/TR1".into(),
        },
    }
}

fn planned(tenant: TenantId, order: OrderId) -> Shipment {
    Shipment::planned(tenant, parcel(order))
}

fn labelled(tenant: TenantId, order: OrderId) -> Shipment {
    let mut shipment = planned(tenant, order);
    shipment.label(details(order));
    shipment
}

fn told(shipment: Shipment, news: News, due: Due) -> Decision {
    let news = vec![news];
    Decision {
        shipment,
        news,
        due,
    }
}

fn silent(shipment: Shipment, due: Due) -> Decision {
    let news = Vec::new();
    Decision {
        shipment,
        news,
        due,
    }
}

fn message(tenant: TenantId, order: OrderId) -> Message {
    let sent = Outgoing::command("shipping", "void", tenant, &VoidShipment::default());
    sent.correlated(order.as_uuid()).message
}

fn target(tenant: TenantId, order: OrderId) -> Target {
    Target {
        tenant,
        id: shipment_of(order),
        cause: Some(message(tenant, order)),
    }
}

/// A change that is tried again for as long as others are in the way, as the port allows. One that
/// no message brought is no repetition to the store, and so may not follow an unknown outcome.
async fn change(store: &dyn ShipmentStore, targets: &[Target], decide: Decide<'_>) {
    let repeatable = targets.iter().all(|target| target.cause.is_some());
    loop {
        match store.change(targets, decide).await {
            Err(StoreError::Contended(_)) => tokio::task::yield_now().await,
            Err(StoreError::Unavailable(_)) if repeatable => tokio::task::yield_now().await,
            done => return done.unwrap(),
        }
    }
}

async fn put(store: &dyn ShipmentStore, decision: Decision) {
    let target = Target {
        tenant: decision.shipment.tenant,
        id: decision.shipment.id,
        cause: None,
    };
    change(store, &[target], &|_, _, _| Some(decision.clone())).await;
}

pub(crate) async fn a_shipment_is_found_as_it_was_written(
    store: &dyn ShipmentStore,
    pending: &dyn Pending,
) {
    let (tenant, order) = (TenantId::new(), OrderId::new());
    let mut refused = planned(tenant, order);
    refused.refuse(Refusal::OrderHasShipment);
    let mut under_way = labelled(tenant, order);
    under_way.report(Tracking {
        state: State::HandedOver,
        description: "“scanned” at Leeds".into(),
        at: NOON,
    });

    let documents = [
        planned(tenant, order),
        labelled(tenant, order),
        under_way,
        refused,
    ];
    for (version, written) in (0..).zip(documents) {
        let written = Shipment { version, ..written };
        put(store, silent(written.clone(), Due::Never)).await;
        let found = store.find(tenant, written.id).await.unwrap().unwrap();
        let version = version + 1;
        assert_eq!(found.shipment, Shipment { version, ..written });
        assert!(found.created_at <= found.updated_at);
    }
    assert!(pending.told(shipment_of(order)).await.is_empty());
}

pub(crate) async fn a_message_has_its_effect_and_its_news_once(
    store: &dyn ShipmentStore,
    pending: &dyn Pending,
) {
    let (tenant, order) = (TenantId::new(), OrderId::new());
    let target = target(tenant, order);
    let calls = AtomicUsize::new(0);
    let decide = |_: usize, stored: Option<Shipment>, _: OffsetDateTime| {
        calls.fetch_add(1, Ordering::SeqCst);
        let shipment = stored.unwrap_or_else(|| labelled(tenant, order));
        Some(told(shipment, News::VoidRefused, Due::Never))
    };

    change(store, &[target.clone(), target.clone()], &decide).await;
    change(store, &[target], &decide).await;

    let stored = store
        .find(tenant, shipment_of(order))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((calls.into_inner(), stored.shipment.version), (1, 1));
    let once = [("shipping.void_refused".to_owned(), 1)];
    assert_eq!(pending.told(shipment_of(order)).await, once);
}

pub(crate) async fn targets_of_one_shipment_are_changed_in_their_order(
    store: &dyn ShipmentStore,
    pending: &dyn Pending,
) {
    let (tenant, order) = (TenantId::new(), OrderId::new());
    let targets = [target(tenant, order), target(tenant, order)];

    change(store, &targets, &|index, stored, _| match index {
        0 => {
            assert!(stored.is_none());
            let shipment = labelled(tenant, order);
            let news = shipment.booking_answer()?;
            Some(told(shipment, news, Due::Never))
        }
        _ => {
            let mut shipment = stored?;
            shipment.void();
            Some(told(shipment, News::VoidRefused, Due::Never))
        }
    })
    .await;

    let stored = store
        .find(tenant, shipment_of(order))
        .await
        .unwrap()
        .unwrap();
    assert!(stored.shipment.is_being_called_off());
    let keys: Vec<_> = pending.told(shipment_of(order)).await;
    let keys: Vec<_> = keys.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["shipping.booked", "shipping.void_refused"]);
}

pub(crate) async fn what_is_left_as_it_is_is_not_written(
    store: &dyn ShipmentStore,
    _pending: &dyn Pending,
) {
    let (tenant, order) = (TenantId::new(), OrderId::new());
    put(store, silent(labelled(tenant, order), Due::Never)).await;

    let nobody = OrderId::new();
    let targets = [target(tenant, order), target(tenant, nobody)];
    change(store, &targets, &|_, _, _| None).await;

    let stored = store
        .find(tenant, shipment_of(order))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(stored.shipment.version, 1);
    assert!(
        store
            .find(tenant, shipment_of(nobody))
            .await
            .unwrap()
            .is_none()
    );
}

pub(crate) async fn a_refused_write_leaves_no_document_no_news_and_no_mark(
    store: &dyn ShipmentStore,
    pending: &dyn Pending,
) {
    let (tenant, order) = (TenantId::new(), OrderId::new());
    put(store, silent(labelled(tenant, order), Due::Never)).await;
    let id = ShipmentId::derive(order.as_uuid(), "shipment/2");
    let second = Target {
        id,
        ..target(tenant, order)
    };
    let book = |_: usize, _: Option<Shipment>, _: OffsetDateTime| {
        let mut shipment = labelled(tenant, order);
        shipment.id = id;
        let news = shipment.booking_answer()?;
        Some(told(shipment, news, Due::Never))
    };

    let refused = store.change(std::slice::from_ref(&second), &book).await;
    let (absent, nothing) = (
        store.find(tenant, id).await.unwrap(),
        pending.told(id).await,
    );
    let mut gone = Shipment::tombstone(tenant, shipment_of(order), order);
    gone.version = 1;
    put(store, silent(gone, Due::Never)).await;
    change(store, &[second], &book).await;

    assert!(matches!(refused, Err(StoreError::OrderHasShipment)));
    assert!(absent.is_none() && nothing.is_empty());
    assert!(store.find(tenant, id).await.unwrap().is_some());
    assert_eq!(pending.told(id).await, [("shipping.booked".to_owned(), 1)]);
}

pub(crate) async fn of_concurrent_changes_none_is_lost(
    store: &dyn ShipmentStore,
    pending: &dyn Pending,
) {
    let (tenant, order) = (TenantId::new(), OrderId::new());
    let writer = async |number: i64| {
        // The first of them finds no shipment, and so may all.
        let decide = |_: usize, stored: Option<Shipment>, _: OffsetDateTime| {
            let mut shipment = stored.unwrap_or_else(|| labelled(tenant, order));
            shipment.tracking.push(Tracking {
                state: State::HandedOver,
                description: number.to_string(),
                at: NOON,
            });
            Some(told(shipment, News::VoidRefused, Due::Never))
        };
        change(store, &[target(tenant, order)], &decide).await;
    };

    join_all((0..12).map(writer)).await;

    let stored = store
        .find(tenant, shipment_of(order))
        .await
        .unwrap()
        .unwrap();
    let tracking = stored.shipment.tracking.iter();
    let numbers: BTreeSet<&str> = tracking.map(|event| event.description.as_str()).collect();
    assert_eq!((numbers.len(), stored.shipment.version), (12, 12));
    let versions = pending.told(shipment_of(order)).await;
    let versions: BTreeSet<i64> = versions.iter().map(|(_, version)| *version).collect();
    assert_eq!(versions, (1..=12).collect());
}

pub(crate) async fn a_shipment_that_several_make_at_once_is_not_another_of_its_order(
    store: &dyn ShipmentStore,
    pending: &dyn Pending,
) {
    let tenant = TenantId::new();
    // How the writes of two transactions meet is the store's: enough of them meet in every way.
    for _ in 0..60 {
        let order = OrderId::new();
        let book = |_: usize, stored: Option<Shipment>, _: OffsetDateTime| match stored {
            None => Some(told(labelled(tenant, order), News::Lost, Due::Never)),
            Some(_) => None,
        };
        let writer = async |_: i32| change(store, &[target(tenant, order)], &book).await;

        join_all((0..6).map(writer)).await;

        let news = pending.told(shipment_of(order)).await;
        assert_eq!(news, [("shipping.lost".to_owned(), 1)]);
    }
}

pub(crate) async fn a_report_has_its_effect_once_by_its_key(
    store: &dyn ShipmentStore,
    pending: &dyn Pending,
) {
    let (tenant, order) = (TenantId::new(), OrderId::new());
    let id = shipment_of(order);
    put(store, silent(labelled(tenant, order), Due::Never)).await;
    let key = |fingerprint: u8| RequestKey {
        id: "scan-1".into(),
        fingerprint: [fingerprint; 32],
    };
    let lost = |shipment: Shipment| Ok(told(shipment, News::Lost, Due::Never));
    let never = |_: Shipment| Err(State::Delivered);

    let illegal = store.report(tenant, id, &key(1), &never).await;
    let first = store.report(tenant, id, &key(2), &lost).await.unwrap();
    let again = store.report(tenant, id, &key(2), &never).await.unwrap();
    let other = store.report(tenant, id, &key(3), &lost).await;

    // A refused report does not use up its key.
    assert!(matches!(
        illegal,
        Err(StoreError::Illegal {
            from: State::Delivered
        })
    ));
    assert_eq!((first.shipment.version, again.shipment.version), (2, 2));
    assert!(matches!(other, Err(StoreError::RequestIdReused)));
    assert_eq!(pending.told(id).await, [("shipping.lost".to_owned(), 2)]);
}

pub(crate) async fn tenants_do_not_see_each_others_shipments(
    store: &dyn ShipmentStore,
    pending: &dyn Pending,
) {
    let (tenant, stranger, order) = (TenantId::new(), TenantId::new(), OrderId::new());
    let id = shipment_of(order);
    put(store, silent(labelled(tenant, order), Due::Never)).await;
    let key = RequestKey {
        id: "scan-1".into(),
        fingerprint: [0; 32],
    };
    let lost = |shipment: Shipment| Ok(told(shipment, News::Lost, Due::Never));

    let unseen = store.find(stranger, id).await.unwrap();
    let unmoved = store.report(stranger, id, &key, &lost).await;
    change(store, &[target(stranger, order)], &|_, stored, _| {
        assert!(stored.is_none());
        let own = Shipment::tombstone(stranger, id, order);
        Some(silent(own, Due::Never))
    })
    .await;

    assert!(unseen.is_none());
    assert!(matches!(unmoved, Err(StoreError::NotFound)));
    let state = async |tenant| {
        store
            .find(tenant, id)
            .await
            .unwrap()
            .unwrap()
            .shipment
            .state
    };
    assert_eq!(
        (state(tenant).await, state(stranger).await),
        (State::LabelReady, State::Voided)
    );
    assert!(pending.told(id).await.is_empty());
}
