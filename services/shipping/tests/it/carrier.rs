//! A carrier that is slow, down, or silent after it acted: never two parcels, never a void that is
//! not true.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tradepost_proto::shipping::v1 as pb;
use tradepost_proto::shipping::v1::ShipmentState;
use tradepost_proto::shipping::v1::shipping_service_server::ShippingService;
use tradepost_shipping::adapters::table_rate::TableRate;
use tradepost_shipping::application::Action;
use tradepost_shipping::config::CarrierConfig;
use tradepost_shipping::ports::{Carrier, StoreError};
use tradepost_testkit::eventually;
use tradepost_types::{OrderId, ShipmentId};

use crate::moody::{Mood, Moody};
use crate::support::{AT_ONCE, Depot, NEVER, reason, shipment_of};

const SOON: Duration = Duration::from_secs(60);

async fn depot(mood: Mood, clock: CarrierConfig) -> (Depot, Arc<Moody>) {
    let carrier = Arc::new(Moody::new(mood, TableRate::new(clock)));
    (Depot::with(carrier.clone()).await, carrier)
}

/// Waits until that is what was said, with the clock running.
async fn comes_to(depot: &Depot, order: OrderId, expected: &[&str]) {
    let stop = CancellationToken::new();
    depot.start_clock(stop.clone());
    eventually("what is expected is said", SOON, async || {
        (depot.said(order).await == expected).then_some(())
    })
    .await;
    stop.cancel();
}

#[tokio::test]
async fn e05_a_booking_without_an_answer_is_asked_again_and_makes_one_parcel() {
    let (depot, carrier) = depot(Mood::ActsInSilence, NEVER).await;
    let order = OrderId::new();

    depot.carry_out.run(&[depot.book(order, "")]).await.unwrap();
    let unknown = depot.get(order).await;
    carrier.becomes(Mood::Silent);
    depot.carry_out.run(&[depot.book(order, "")]).await.unwrap();
    let said = depot.said(order).await;
    carrier.becomes(Mood::Answers);
    comes_to(&depot, order, &["shipping.booked"]).await;

    assert_eq!(unknown.state(), ShipmentState::Planned);
    assert_eq!(said, Vec::<String>::new());
    assert_eq!(depot.get(order).await.state(), ShipmentState::LabelReady);
    assert_eq!(carrier.parcels_of(shipment_of(order)), 1);
}

#[tokio::test]
async fn e05_a_crash_after_the_booking_and_before_its_record_makes_one_parcel() {
    let (depot, carrier) = depot(Mood::Answers, NEVER).await;
    let order = OrderId::new();
    let book = depot.book(order, "");
    if let Action::Book(parcel) = &book.action {
        carrier.book(parcel).await.unwrap();
    }

    depot.carry_out.run(&[book]).await.unwrap();

    assert_eq!(depot.said(order).await, ["shipping.booked"]);
    assert_eq!(carrier.parcels_of(shipment_of(order)), 1);
}

#[tokio::test]
async fn a_silent_carrier_holds_up_no_batch_and_answers_all_of_it_later() {
    let (depot, carrier) = depot(Mood::Silent, NEVER).await;
    let orders: Vec<OrderId> = (0..40).map(|_| OrderId::new()).collect();
    let books: Vec<_> = orders.iter().map(|&order| depot.book(order, "")).collect();

    depot.carry_out.run(&books).await.unwrap();
    carrier.becomes(Mood::Answers);

    for order in orders {
        comes_to(&depot, order, &["shipping.booked"]).await;
        assert_eq!(carrier.parcels_of(shipment_of(order)), 1);
    }
}

#[tokio::test]
async fn a_carrier_that_was_down_and_then_refuses_has_refused_for_good() {
    let (depot, carrier) = depot(Mood::Down, NEVER).await;
    let order = OrderId::new();

    depot.carry_out.run(&[depot.book(order, "")]).await.unwrap();
    carrier.becomes(Mood::Refuses);
    comes_to(&depot, order, &["shipping.booking_failed"]).await;
    carrier.becomes(Mood::Answers);
    depot.carry_out.run(&[depot.book(order, "")]).await.unwrap();

    let twice = ["shipping.booking_failed", "shipping.booking_failed"];
    comes_to(&depot, order, &twice).await;
    eventually("the label is given back", SOON, async || {
        depot.clock().tick().await.unwrap();
        (carrier.parcels_of(shipment_of(order)) == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn e05_a_void_while_the_booking_is_unknown_leaves_no_parcel_behind() {
    let (depot, carrier) = depot(Mood::ActsInSilence, AT_ONCE).await;
    let order = OrderId::new();
    depot.carry_out.run(&[depot.book(order, "")]).await.unwrap();
    let before = carrier.parcels_of(shipment_of(order));

    depot.carry_out.run(&[depot.void(order)]).await.unwrap();
    let said = depot.said(order).await;
    carrier.becomes(Mood::Answers);
    comes_to(&depot, order, &["shipping.voided"]).await;

    assert_eq!((before, said.len()), (1, 0));
    assert_eq!(carrier.parcels_of(shipment_of(order)), 0);
}

#[tokio::test]
async fn a_void_is_answered_only_when_the_carrier_has_agreed() {
    let (depot, carrier) = depot(Mood::Answers, AT_ONCE).await;
    let order = OrderId::new();
    depot.carry_out.run(&[depot.book(order, "")]).await.unwrap();
    carrier.becomes(Mood::Down);

    depot.carry_out.run(&[depot.void(order)]).await.unwrap();
    depot.clock().tick().await.unwrap();
    let (waiting, said) = (depot.get(order).await, depot.said(order).await);
    carrier.becomes(Mood::Answers);
    comes_to(&depot, order, &["shipping.booked", "shipping.voided"]).await;

    assert_eq!(waiting.state(), ShipmentState::LabelReady);
    assert_eq!(said, ["shipping.booked"]);
    assert_eq!(carrier.parcels_of(shipment_of(order)), 0);
}

#[tokio::test]
async fn a_parcel_that_the_carrier_does_not_let_go_goes_out() {
    let (depot, carrier) = depot(Mood::Answers, AT_ONCE).await;
    let order = OrderId::new();
    depot.carry_out.run(&[depot.book(order, "")]).await.unwrap();
    carrier.becomes(Mood::Refuses);

    depot.carry_out.run(&[depot.void(order)]).await.unwrap();

    let expected = [
        "shipping.booked",
        "shipping.void_refused",
        "shipping.handed_over",
        "shipping.delivered",
    ];
    comes_to(&depot, order, &expected).await;
}

#[tokio::test]
async fn a_hand_over_that_is_scanned_while_the_void_waits_wins() {
    let (depot, carrier) = depot(Mood::Answers, NEVER).await;
    let order = OrderId::new();
    depot.carry_out.run(&[depot.book(order, "")]).await.unwrap();
    carrier.becomes(Mood::Down);
    depot.carry_out.run(&[depot.void(order)]).await.unwrap();

    let scan = pb::RecordTrackingEventRequest {
        request_id: "scan-1".into(),
        shipment_id: shipment_of(order).to_string(),
        state: ShipmentState::HandedOver.into(),
        description: String::new(),
        occur_time: None,
    };
    let scanned = depot.api.record_tracking_event(depot.call(scan)).await;
    carrier.becomes(Mood::Answers);
    depot.clock().tick().await.unwrap();

    assert!(scanned.is_ok());
    let said = [
        "shipping.booked",
        "shipping.void_refused",
        "shipping.handed_over",
    ];
    assert_eq!(depot.said(order).await, said);
    assert_eq!(carrier.parcels_of(shipment_of(order)), 1);
}

#[tokio::test]
async fn e04_a_booking_repeated_while_its_void_is_under_way_leaves_no_parcel_behind() {
    let (depot, carrier) = depot(Mood::Answers, AT_ONCE).await;
    let order = OrderId::new();
    depot.carry_out.run(&[depot.book(order, "")]).await.unwrap();
    depot.carry_out.run(&[depot.void(order)]).await.unwrap();
    carrier.becomes(Mood::AnswersWhenLet);

    let clock = depot.clock();
    let tick = tokio::spawn(async move { clock.tick().await });
    carrier.waiting.notified().await;
    depot.carry_out.run(&[depot.book(order, "")]).await.unwrap();
    carrier.becomes(Mood::Answers);
    carrier.let_go.notify_one();
    tick.await.unwrap().unwrap();

    let expected = ["shipping.booked", "shipping.booked", "shipping.voided"];
    comes_to(&depot, order, &expected).await;
    assert_eq!(carrier.parcels_of(shipment_of(order)), 0);
}

#[tokio::test]
async fn a_second_parcel_for_one_order_is_refused_and_its_label_given_back() {
    let (depot, carrier) = depot(Mood::Answers, NEVER).await;
    let order = OrderId::new();
    let id = ShipmentId::derive(order.as_uuid(), "shipment/2");
    let mut second = depot.book(order, "");
    second.shipment = id;
    if let Action::Book(parcel) = &mut second.action {
        parcel.id = id;
    }
    let first = depot.book(order, "");

    let both = depot.carry_out.run(&[first.clone(), second.clone()]).await;
    // As the consumer does with a batch that failed: each alone.
    depot.carry_out.run(&[first]).await.unwrap();
    depot.carry_out.run(&[second]).await.unwrap();
    let booked_twice = carrier.parcels_of(id);
    depot.clock().tick().await.unwrap();

    assert!(matches!(both, Err(StoreError::OrderHasShipment)));
    let stored = depot.store.find(depot.tenant, id).await.unwrap().unwrap();
    assert_eq!(
        stored.shipment.failure.as_deref(),
        Some("ORDER_HAS_SHIPMENT")
    );
    assert_eq!((booked_twice, carrier.parcels_of(id)), (1, 0));
    assert_eq!(carrier.parcels_of(shipment_of(order)), 1);
}

#[tokio::test]
async fn rates_of_a_carrier_that_does_not_answer_are_unavailable() {
    let (depot, carrier) = depot(Mood::Silent, NEVER).await;
    let request = pb::ListRatesRequest {
        country_code: "GB".into(),
        weight_grams: 1,
        currency_code: "GBP".into(),
    };

    let silent = depot.api.list_rates(depot.call(request.clone())).await;
    carrier.becomes(Mood::Down);
    let down = depot.api.list_rates(depot.call(request)).await;

    assert_eq!(reason(silent), "CARRIER_UNAVAILABLE");
    assert_eq!(reason(down), "CARRIER_UNAVAILABLE");
}
